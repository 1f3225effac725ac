/** Publishing a draft: what hinders it, what its test has shown, what becomes immutable, and the step itself. */

import { Alert, Anchor, Button, Group, List, Stack, Text, Title } from "@mantine/core";
import { IconAlertTriangle, IconCircleCheck } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useSyncExternalStore } from "react";
import { Link } from "react-router";

import { useDescribed } from "../../../app/queries";
import { useClient } from "../../../app/session";
import { Agreement } from "../../../components/agreement/Agreement";
import { agreedNow } from "../../../components/agreement/agreed";
import { Changes } from "../../../components/changes/Changes";
import { moment } from "../../../components/format";
import { Loaded } from "../../../components/Page";
import { isDataNode } from "../../../core/nodes";
import { problems } from "../../../core/problems";
import type { Configuration, Description } from "../../../core/records";
import { isOf, passed } from "../../../core/report";
import { type KeptPublishing, readPublishing } from "../../../drafts/publishing";
import { useDraft } from "../../../drafts/useDraft";
import { gaps } from "../permissions/people";
import { type Tested, testOf } from "../test/draftTest";
import { Begun } from "./Begun";
import { PublishButton } from "./PublishButton";
import { Steps } from "./Steps";
import { publishingKey, type UsedPublishing, usePublishing } from "./usePublishing";

/** How far the draft as it stands was tested. */
type Standing = "untested" | "changed" | "failed" | "passed";

export default function PublishTab() {
  const { id } = useDraft();
  const { vault } = useClient();
  const described = useDescribed();
  const publishing = usePublishing();
  const before = useQuery({
    queryKey: publishingKey(id),
    queryFn: () => readPublishing(vault, id),
    staleTime: 0,
    // What this page is about to do is told of by itself.
    enabled: !publishing.pending && publishing.room === undefined,
  });
  return (
    <Stack gap="xl">
      <Steps publishing={publishing} />
      {(before.data !== undefined || !publishing.pending) && (
        <Loaded query={before}>
          {(kept) =>
            kept !== null && kept.publishing.definition !== null ? (
              <Begun kept={kept} publishing={publishing} />
            ) : (
              <Loaded query={described}>
                {(offered) => <Publish before={kept} described={offered} publishing={publishing} />}
              </Loaded>
            )
          }
        </Loaded>
      )}
    </Stack>
  );
}

interface PublishProps {
  before: KeptPublishing | null;
  described: Description;
  publishing: UsedPublishing;
}

function Publish({ before, described, publishing }: PublishProps) {
  const { id, configuration } = useDraft();
  const test = testOf(id);
  const { last } = useSyncExternalStore(test.subscribe, test.shown);
  const found = useMemo(() => problems(configuration), [configuration]);
  const agreed = useMemo(() => agreedNow(configuration, described), [configuration, described]);
  const standing = standingOf(last, configuration);
  const missing = gaps(configuration);
  return (
    <Stack gap="xl">
      {before !== null && (
        <Alert title="This draft was published already">
          <Text size="sm">
            That was at {moment(before.publishing.since)}. If you publish it again, that makes another room, with an id
            and data of its own.{" "}
            <Anchor component={Link} to={`/rooms/${before.publishing.room}`}>
              Open the room
            </Anchor>
          </Text>
        </Alert>
      )}
      {found.length > 0 && <Problems configuration={configuration} found={found} />}
      {missing.length > 0 && <Gaps missing={missing} />}
      <TestState standing={standing} last={last} configuration={configuration} />
      <section>
        <Title order={2} size="h4" mb="sm">
          Publish
        </Title>
        <Stack gap="sm">
          <Text size="sm" maw={760}>
            All that stands below is encrypted in this browser and sent to the enclave, which has proven what it is.
            From then on nobody can change it: not you, not the others, not the operator. Everybody who is listed (
            {agreed.participants.length}) finds the room when they sign in.
          </Text>
          <PublishButton
            seen={{ configuration, described, tested: standing === "passed" ? last?.report : undefined }}
            before={before}
            publishing={publishing}
            disabled={found.length > 0}
            warnings={[...WARNINGS[standing], ...missing]}
          />
        </Stack>
      </section>
      <section aria-labelledby="immutable">
        <Title order={2} size="h3" id="immutable" mb="md">
          What becomes immutable
        </Title>
        <Agreement agreed={agreed} order={3} />
      </section>
    </Stack>
  );
}

const WARNINGS: Record<Standing, readonly string[]> = {
  untested: ["It was not tested."],
  changed: ["It was changed since it was tested."],
  failed: ["It has not passed its test."],
  passed: [],
};

function standingOf(last: Tested | undefined, configuration: Configuration): Standing {
  if (last === undefined) {
    return "untested";
  }
  if (!isOf(last.report, configuration)) {
    return "changed";
  }
  return passed(last.report) ? "passed" : "failed";
}

function Problems({ configuration, found }: { configuration: Configuration; found: ReturnType<typeof problems> }) {
  const { id } = useDraft();
  const place = (node: string | undefined): string => {
    const there = configuration.nodes.find((each) => each.id === node);
    const tab = there === undefined ? "permissions" : isDataNode(there) ? "data" : "computations";
    return `/drafts/${id}/${tab}${there === undefined ? "" : `?node=${encodeURIComponent(there.id)}`}`;
  };
  return (
    <Alert color="red" role="alert" icon={<IconAlertTriangle aria-hidden />} title="It can't be published like this">
      <List size="sm">
        {found.map(({ node, message }) => (
          <List.Item key={`${node ?? ""} ${message}`}>
            <bdi>{message}</bdi>{" "}
            <Anchor component={Link} to={place(node)} size="sm" c="inherit" underline="always">
              Go there
            </Anchor>
          </List.Item>
        ))}
      </List>
    </Alert>
  );
}

function Gaps({ missing }: { missing: readonly string[] }) {
  const { id } = useDraft();
  return (
    <Alert color="yellow" icon={<IconAlertTriangle aria-hidden />} title="Is that meant to be so?">
      <Stack gap="xs">
        <List size="sm">
          {missing.map((gap) => (
            <List.Item key={gap}>
              <bdi>{gap}</bdi>
            </List.Item>
          ))}
        </List>
        <Group>
          <Button size="xs" variant="default" component={Link} to={`/drafts/${id}/permissions`}>
            Go to the permissions
          </Button>
        </Group>
      </Stack>
    </Alert>
  );
}

interface TestStateProps {
  standing: Standing;
  last: Tested | undefined;
  configuration: Configuration;
}

function TestState({ standing, last, configuration }: TestStateProps) {
  const { id } = useDraft();
  const toTest = (
    <Group>
      <Button size="xs" variant="default" component={Link} to={`/drafts/${id}/test`}>
        Test all computations
      </Button>
    </Group>
  );
  if (last === undefined) {
    return (
      <Alert color="yellow" icon={<IconAlertTriangle aria-hidden />} title="It was not tested">
        <Stack gap="xs">
          <Text size="sm">
            At least not since this page was opened. What doesn't work in a published room can't be mended there, and
            nobody will see why. Test it first.
          </Text>
          {toTest}
        </Stack>
      </Alert>
    );
  }
  const when = moment(last.ended);
  if (standing === "changed") {
    return (
      <Alert color="yellow" icon={<IconAlertTriangle aria-hidden />} title="It was changed since it was tested">
        <Stack gap="sm">
          <Text size="sm">This is what differs from the draft that was tested at {when}:</Text>
          <Changes before={last.configuration} after={configuration} />
          {toTest}
        </Stack>
      </Alert>
    );
  }
  if (standing === "failed") {
    return (
      <Alert color="red" icon={<IconAlertTriangle aria-hidden />} title="It has not passed its test">
        <Stack gap="xs">
          <Text size="sm">It was tested like this at {when}, and not all of it has passed.</Text>
          {toTest}
        </Stack>
      </Alert>
    );
  }
  return (
    <Alert color="green" icon={<IconCircleCheck aria-hidden />} title="It has passed its test">
      <Text size="sm">
        It was tested exactly like this at {when}. It is published with the very packages that it was tested with, and
        only in the same images.
      </Text>
    </Alert>
  );
}
