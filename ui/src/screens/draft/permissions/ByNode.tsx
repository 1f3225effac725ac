/** Who provides data or may run what, a line for each node. */

import { Badge, Button, Group, Stack, Table, Text } from "@mantine/core";
import { useState } from "react";

import { Dialog } from "../../../components/Dialog";
import { KINDS } from "../../../components/kinds";
import type { Node } from "../../../core/records";
import { useDraft } from "../../../drafts/useDraft";
import styles from "./Permissions.module.css";
import { Picker } from "./Picker";
import { peopleOf, type Role, roleOn, setPeople } from "./people";

const WORDS: Readonly<Record<Role, string>> = { data_owner_of: "Provides its data", analyst_of: "May run it" };

export function ByNode({ search }: { search: string }) {
  const { configuration } = useDraft();
  const [edited, setEdited] = useState<string | null>(null);
  const wanted = search.trim().toLocaleLowerCase();
  const rows = configuration.nodes
    .flatMap((node) => {
      const role = roleOn(node);
      return role === null ? [] : [{ node, role, people: peopleOf(configuration, node.id, role) }];
    })
    .filter(({ node, people }) => [node.name, ...people].some((each) => each.toLocaleLowerCase().includes(wanted)));
  const changed = configuration.nodes.find(({ id }) => id === edited);
  return (
    <>
      {changed !== undefined && <People node={changed} onClose={() => setEdited(null)} />}
      <Table.ScrollContainer minWidth={560}>
        <Table verticalSpacing="xs" highlightOnHover aria-label="Data and computations">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Data or computation</Table.Th>
              <Table.Th>Role</Table.Th>
              <Table.Th>People</Table.Th>
              <Table.Th aria-label="Actions" />
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map(({ node, role, people }) => (
              <Table.Tr key={node.id}>
                <Table.Td className={styles["name"]}>
                  <Group gap="xs">
                    <Text size="sm" fw={600}>
                      {node.name}
                    </Text>
                    <Badge variant="light" color={KINDS[node.kind].color}>
                      {KINDS[node.kind].label}
                    </Badge>
                  </Group>
                </Table.Td>
                <Table.Td>{WORDS[role]}</Table.Td>
                <Table.Td className={styles["names"]}>
                  {people.length === 0 ? (
                    <Text size="sm" c="dimmed">
                      Nobody
                    </Text>
                  ) : (
                    people.join(", ")
                  )}
                </Table.Td>
                <Table.Td>
                  <Button
                    size="compact-xs"
                    variant="default"
                    aria-label={`Change who: ${node.name}`}
                    onClick={() => setEdited(node.id)}
                  >
                    Change
                  </Button>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {rows.length === 0 && (
        <Text size="sm">
          {configuration.nodes.length === 0
            ? "There is nothing in this draft yet. Begin on the tabs Data and Computations."
            : "None has these words."}
        </Text>
      )}
    </>
  );
}

function People({ node, onClose }: { node: Node; onClose: () => void }) {
  const { configuration, edit } = useDraft();
  const role = roleOn(node);
  return role === null ? null : (
    <Dialog onClose={onClose} title={node.name} size="lg">
      <Stack>
        <Picker
          title={WORDS[role]}
          nothing=""
          choices={configuration.participants.map(({ user }) => ({ value: user, label: user }))}
          chosen={peopleOf(configuration, node.id, role)}
          onChange={(users) => edit(setPeople(node.id, role, users))}
        />
        <Group justify="flex-end">
          <Button onClick={onClose}>Done</Button>
        </Group>
      </Stack>
    </Dialog>
  );
}
