/** Adding a computation: its kind, then its name. */

import { Button, Group, Menu, Modal, Stack, Text, TextInput } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { type FormEvent, useState } from "react";

import { KINDS } from "../../../components/kinds";
import { putNode } from "../../../drafts/edits";
import { useDraft } from "../../../drafts/useDraft";
import { KINDS_ABOUT, KINDS_OFFERED, type Kind, newComputation, suggestedName } from "./kinds";
import { nameProblem } from "./names";

export function AddComputation({ onAdded }: { onAdded: (id: string) => void }) {
  const [kind, setKind] = useState<Kind | null>(null);
  return (
    <>
      <Menu position="bottom-start" width={380} withinPortal>
        <Menu.Target>
          <Button px="xs" leftSection={<IconPlus size={16} aria-hidden />}>
            Add computation
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {KINDS_OFFERED.map((each) => {
            const { label, icon: Icon } = KINDS[each];
            return (
              <Menu.Item key={each} leftSection={<Icon size={20} aria-hidden />} onClick={() => setKind(each)}>
                {label}
                <Text size="xs" c="dimmed">
                  {KINDS_ABOUT[each]}
                </Text>
              </Menu.Item>
            );
          })}
        </Menu.Dropdown>
      </Menu>
      {kind !== null && <NameIt kind={kind} onClose={() => setKind(null)} onAdded={onAdded} />}
    </>
  );
}

function NameIt({ kind, onClose, onAdded }: { kind: Kind; onClose: () => void; onAdded: (id: string) => void }) {
  const { configuration, edit } = useDraft();
  const [name, setName] = useState(() => suggestedName(configuration, kind));
  const problem = nameProblem(configuration, name);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (problem === undefined) {
      const node = newComputation(configuration, kind, name);
      edit(putNode(node));
      onClose();
      onAdded(node.id);
    }
  };
  return (
    <Modal opened onClose={onClose} title={`Add computation: ${KINDS[kind].label}`}>
      <form onSubmit={submit}>
        <Stack>
          <Text size="sm">{KINDS_ABOUT[kind]}</Text>
          <TextInput
            label="Name"
            description={`Its result is downloaded, and mounted, by this name.`}
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
