/** Adding a place for data: a table of a known shape, or a file of any content. */

import { Button, Group } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useState } from "react";

import { KINDS } from "../../../components/kinds";
import type { DataNode } from "../../../core/nodes";
import { freeName } from "../../../drafts/edits";
import { useDraft } from "../../../drafts/useDraft";
import { NameDialog } from "../nodes/NameDialog";
import { newData } from "./tables";

type Kind = DataNode["kind"];

const ABOUT: Readonly<Record<Kind, string>> = {
  table_data: "Rows of columns that you name here. Whatever is provided is checked before any computation reads it.",
  raw_data: "One file of any content: an archive, a model, pictures. Nothing is checked.",
};

export function AddData({ onAdded }: { onAdded: (id: string) => void }) {
  const { configuration } = useDraft();
  const [kind, setKind] = useState<Kind | null>(null);
  return (
    <>
      <Group gap="xs" wrap="nowrap">
        {(["table_data", "raw_data"] as const).map((each) => (
          <Button
            key={each}
            size="xs"
            variant={each === "table_data" ? "filled" : "default"}
            leftSection={<IconPlus size={16} aria-hidden />}
            onClick={() => setKind(each)}
          >
            Add {KINDS[each].label.toLowerCase()}
          </Button>
        ))}
      </Group>
      {kind !== null && (
        <NameDialog
          title={`Add ${KINDS[kind].label.toLowerCase()}`}
          about={ABOUT[kind]}
          suggested={freeName(configuration, kind === "table_data" ? "table" : "file")}
          describe={(name) => `Computations find it as /input/${name}.`}
          make={(name) => newData(configuration, kind, name)}
          onClose={() => setKind(null)}
          onAdded={onAdded}
        />
      )}
    </>
  );
}
