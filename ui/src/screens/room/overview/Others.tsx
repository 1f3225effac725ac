/** What others do in the room. */

import { Badge, Stack, Table, Title } from "@mantine/core";

import { KINDS } from "../../../components/kinds";
import type { Definition } from "../../../core/records";
import styles from "./Overview.module.css";
import { type AttachedData, analysts, type MyNodes, providers } from "./states";

export function Others({
  definition,
  nodes,
  attached,
}: {
  definition: Definition;
  nodes: MyNodes["others"];
  attached: AttachedData;
}) {
  const { data, computations } = nodes;
  if (data.length + computations.length === 0) {
    return null;
  }
  return (
    <Stack component="section" aria-labelledby="others" gap="sm">
      <Title order={2} size="h4" id="others">
        What others do
      </Title>
      <Table.ScrollContainer minWidth={560}>
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Name</Table.Th>
              <Table.Th>Kind</Table.Th>
              <Table.Th>Who</Table.Th>
              <Table.Th>State</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {data.map((node) => (
              <Table.Tr key={node.id}>
                <Table.Td className={styles["name"]}>{node.name}</Table.Td>
                <Table.Td>{KINDS[node.kind].label}</Table.Td>
                <Table.Td>{people(providers(definition, node.id), "Nobody may provide it")}</Table.Td>
                <Table.Td>
                  <Badge variant="light" color={attached.has(node.id) ? "green" : node.required ? "yellow" : "gray"}>
                    {attached.has(node.id) ? "Provided" : node.required ? "Needed" : "Optional"}
                  </Badge>
                </Table.Td>
              </Table.Tr>
            ))}
            {computations.map((node) => (
              <Table.Tr key={node.id}>
                <Table.Td className={styles["name"]}>{node.name}</Table.Td>
                <Table.Td>{KINDS[node.kind].label}</Table.Td>
                <Table.Td>{people(analysts(definition, node.id), "Nobody may run it by itself")}</Table.Td>
                <Table.Td />
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Stack>
  );
}

function people(emails: readonly string[], nobody: string): string {
  return emails.length === 0 ? nobody : emails.join(", ");
}
