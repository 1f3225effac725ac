/** Who provides what and may run what, a line for each person. */

import { ActionIcon, Badge, Button, Group, Stack, Table, Text } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";
import { useState } from "react";

import { Dialog } from "../../../components/Dialog";
import { KINDS } from "../../../components/kinds";
import type { Node } from "../../../core/records";
import { removeParticipant } from "../../../drafts/edits";
import { useDraft } from "../../../drafts/useDraft";
import styles from "./Permissions.module.css";
import { Picker } from "./Picker";
import { namesOf, type Role, roleOn, setNodes } from "./people";

export function ByPerson({ search }: { search: string }) {
  const { configuration, edit } = useDraft();
  const [edited, setEdited] = useState<string | null>(null);
  const wanted = search.trim().toLocaleLowerCase();
  const rows = configuration.participants
    .map((entry) => ({
      entry,
      provides: namesOf(configuration, entry, "data_owner_of"),
      runs: namesOf(configuration, entry, "analyst_of"),
    }))
    .filter(({ entry, provides, runs }) =>
      [entry.user, ...provides, ...runs].some((each) => each.toLocaleLowerCase().includes(wanted)),
    );
  return (
    <>
      {edited !== null && <Roles user={edited} onClose={() => setEdited(null)} />}
      <Table.ScrollContainer minWidth={640}>
        <Table verticalSpacing="xs" highlightOnHover aria-label="Participants">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Person</Table.Th>
              <Table.Th>Provides data for</Table.Th>
              <Table.Th>May run</Table.Th>
              <Table.Th aria-label="Actions" />
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map(({ entry: { user, keys }, provides, runs }) => (
              <Table.Tr key={user}>
                <Table.Td className={styles["name"]}>
                  <Group gap="xs">
                    <Text size="sm" fw={600}>
                      {user}
                    </Text>
                    {user === configuration.owner && <Badge variant="light">Owner</Badge>}
                    {keys.length > 0 && <Badge variant="default">Pinned</Badge>}
                  </Group>
                </Table.Td>
                <Table.Td className={styles["names"]}>
                  <Names names={provides} />
                </Table.Td>
                <Table.Td className={styles["names"]}>
                  <Names names={runs} />
                </Table.Td>
                <Table.Td>
                  <Group gap={4} wrap="nowrap" justify="flex-end">
                    <Button
                      size="compact-xs"
                      variant="default"
                      aria-label={`Change what ${user} may do`}
                      onClick={() => setEdited(user)}
                    >
                      Change
                    </Button>
                    <ActionIcon
                      variant="subtle"
                      color="gray"
                      aria-label={`Remove ${user}`}
                      disabled={user === configuration.owner}
                      onClick={() => edit(removeParticipant(user))}
                    >
                      <IconTrash size={16} />
                    </ActionIcon>
                  </Group>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {rows.length === 0 && <Text size="sm">Nobody has these words.</Text>}
    </>
  );
}

const SHOWN = 4;

function Names({ names }: { names: readonly string[] }) {
  if (names.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        None
      </Text>
    );
  }
  const more = names.length - SHOWN;
  return (
    <Text size="sm">
      {names.slice(0, SHOWN).join(", ")}
      {more > 0 && ` and ${more} more`}
    </Text>
  );
}

function Roles({ user, onClose }: { user: string; onClose: () => void }) {
  const { configuration, edit } = useDraft();
  const entry = configuration.participants.find((each) => each.user === user);
  if (entry === undefined) {
    return null;
  }
  const picker = (role: Role, title: string, nothing: string) => (
    <Picker
      title={title}
      nothing={nothing}
      choices={configuration.nodes.filter((node) => roleOn(node) === role).map(choice)}
      chosen={entry[role]}
      onChange={(nodes) => edit(setNodes(user, role, nodes))}
    />
  );
  return (
    <Dialog onClose={onClose} title={`What ${user} may do`} size="lg">
      <Stack gap="lg">
        {picker("data_owner_of", "Provides data for", "There is no data yet. Add some on the tab Data.")}
        {picker("analyst_of", "May run", "There are no computations yet. Add some on the tab Computations.")}
        <Group justify="flex-end">
          <Button onClick={onClose}>Done</Button>
        </Group>
      </Stack>
    </Dialog>
  );
}

function choice({ id, name, kind }: Node): { value: string; label: string } {
  return { value: id, label: `${name} (${KINDS[kind].label})` };
}
