/** A draft: what goes in, what is computed, who may do what; tested, and published. */

import { Badge } from "@mantine/core";
import { lazy } from "react";
import { useParams } from "react-router";

import { useOpenDraft } from "../../app/queries";
import { Loaded, Page } from "../../components/Page";
import { PageTabs } from "../../components/PageTabs";
import { DraftProvider, useDraft } from "../../drafts/useDraft";
import { DraftActions } from "./DraftActions";
import { SavingState } from "./SavingState";

const TABS = [
  { name: "data", label: "Data", Tab: lazy(() => import("./data/DataTab")) },
  { name: "computations", label: "Computations", Tab: lazy(() => import("./computations/ComputationsTab")) },
  { name: "picture", label: "Picture", Tab: lazy(() => import("./PictureTab")) },
  { name: "permissions", label: "Permissions", Tab: lazy(() => import("./permissions/PermissionsTab")) },
  { name: "test", label: "Test", Tab: lazy(() => import("./test/TestTab")) },
  { name: "publish", label: "Encrypt and publish", Tab: lazy(() => import("./publish/PublishTab")) },
] as const;

export function Component() {
  const { id = "" } = useParams();
  const query = useOpenDraft(id);
  return (
    <Loaded query={query}>
      {(open) => (
        <DraftProvider open={open}>
          <DraftView />
        </DraftProvider>
      )}
    </Loaded>
  );
}

function DraftView() {
  const { id, configuration } = useDraft();
  return (
    <Page title={configuration.title} subtitle={<Badge variant="light">Draft</Badge>} actions={<DraftActions />}>
      <SavingState />
      <PageTabs tabs={TABS} base={`/drafts/${id}`} given={{}} />
    </Page>
  );
}
