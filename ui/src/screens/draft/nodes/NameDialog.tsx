/** Asks for the name of a node that is about to be added. */

import { Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";

import { Dialog } from "../../../components/Dialog";
import type { Node } from "../../../core/records";
import { putNode } from "../../../drafts/edits";
import { useDraft } from "../../../drafts/useDraft";
import { nameProblem } from "../computations/names";

/**
 * @param about What kind of node it is, in a sentence.
 * @param describe What a name leads to.
 * @param make The node of that name.
 */
export function NameDialog({
  title,
  about,
  suggested,
  describe,
  make,
  onClose,
  onAdded,
}: {
  title: string;
  about: string;
  suggested: string;
  describe: (name: string) => string;
  make: (name: string) => Node;
  onClose: () => void;
  onAdded: (id: string) => void;
}) {
  const { configuration, edit } = useDraft();
  const [name, setName] = useState(suggested);
  const problem = nameProblem(configuration, name);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (problem === undefined) {
      const node = make(name);
      edit(putNode(node));
      onClose();
      onAdded(node.id);
    }
  };
  return (
    <Dialog onClose={onClose} title={title}>
      <form onSubmit={submit}>
        <Stack>
          <Text size="sm">{about}</Text>
          <TextInput
            label="Name"
            description={describe(name)}
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
    </Dialog>
  );
}
