/** Adding a place for data: a table of a known shape, or a file of any content. */

import { Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { type FormEvent, useState } from "react";

import { KINDS } from "../../../components/kinds";
import type { DataNode } from "../../../core/nodes";
import { freeName, putNode } from "../../../drafts/edits";
import { useDraft } from "../../../drafts/useDraft";
import { nameProblem } from "../computations/names";
import { newData } from "./tables";

type Kind = DataNode["kind"];

const ABOUT: Readonly<Record<Kind, string>> = {
  table_data: "Rows of columns that you name here. Whatever is provided is checked before any computation reads it.",
  raw_data: "One file of any content: an archive, a model, pictures. Nothing is checked.",
};

export function AddData({ onAdded }: { onAdded: (id: string) => void }) {
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
      {kind !== null && <NameIt kind={kind} onClose={() => setKind(null)} onAdded={onAdded} />}
    </>
  );
}

function NameIt({ kind, onClose, onAdded }: { kind: Kind; onClose: () => void; onAdded: (id: string) => void }) {
  const { configuration, edit } = useDraft();
  const [name, setName] = useState(() => freeName(configuration, kind === "table_data" ? "table" : "file"));
  const problem = nameProblem(configuration, name);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (problem === undefined) {
      const node = newData(configuration, kind, name);
      edit(putNode(node));
      onClose();
      onAdded(node.id);
    }
  };
  return (
    <Modal opened onClose={onClose} title={`Add ${KINDS[kind].label.toLowerCase()}`}>
      <form onSubmit={submit}>
        <Stack>
          <Text size="sm">{ABOUT[kind]}</Text>
          <TextInput
            label="Name"
            description={`Computations find it as /input/${name}.`}
            value={name}
            error={problem}
            onChange={(event) => setName(event.currentTarget.value)}
            onFocus={(event) => event.currentTarget.select()}
            data-autofocus
          />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" disabled={problem !== undefined}>
              Add
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
