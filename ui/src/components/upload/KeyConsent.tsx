/** Whose device keys speak for whom in the room, before data goes there; the user says which may fetch it later. */

import { Button, Checkbox, Group, Stack, Table, Text } from "@mantine/core";
import { useState } from "react";

import type { Room } from "../../client/room";
import type { DataNode } from "../../core/nodes";
import type { BoundKey } from "../../core/records";
import { Hex } from "../Hex";
import { type KeyRow, keyRows } from "./keyRows";

export function KeyConsent({
  room,
  node,
  keys,
  device,
  onAgree,
  onRefuse,
}: {
  room: Room;
  node: DataNode;
  keys: readonly BoundKey[];
  /** The key of this browser. */
  device: string;
  onAgree: (agreed: BoundKey[]) => void;
  onRefuse: () => void;
}) {
  const [agreed, setAgreed] = useState<readonly BoundKey[]>([]);
  const rows = keyRows(room.definition, node.id, keys, device);
  const toggle = (bound: BoundKey): void =>
    setAgreed(agreed.includes(bound) ? agreed.filter((each) => each !== bound) : [...agreed, bound]);
  return (
    <Stack>
      <Text size="sm">
        These device keys speak for the participants of the room that <b>{node.name}</b> is about to get data in. Each
        of them shows its key in Settings: if one is not theirs, somebody else speaks for them.
      </Text>
      <Table.ScrollContainer minWidth={480}>
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Participant</Table.Th>
              <Table.Th>Device key</Table.Th>
              <Table.Th>May fetch this data</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map((row) => (
              <Table.Tr key={`${row.user} ${row.key ?? ""}`}>
                <Table.Td>{row.user}</Table.Td>
                <Table.Td>
                  {row.key === null ? (
                    <Text size="sm" c="dimmed">
                      {room.definition.pins_required ? "None" : "None yet: the hub vouches for the first"}
                    </Text>
                  ) : (
                    <Hex value={row.key} what={`device key of ${row.user}`} length={16} />
                  )}
                </Table.Td>
                <Table.Td>
                  <Reads row={row} checked={row.bound !== null && agreed.includes(row.bound)} onToggle={toggle} />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      <Group justify="flex-end">
        <Button variant="default" onClick={onRefuse}>
          Keep the data here
        </Button>
        <Button data-autofocus onClick={() => onAgree([...agreed])}>
          These are right: go on
        </Button>
      </Group>
    </Stack>
  );
}

function Reads({ row, checked, onToggle }: { row: KeyRow; checked: boolean; onToggle: (bound: BoundKey) => void }) {
  const { reads, bound } = row;
  if (reads === "asked" && bound !== null) {
    return (
      <Checkbox
        label="Data owner: let it"
        aria-label={`Let the device ${bound.key.slice(0, 16)} of ${bound.user} fetch this data`}
        checked={checked}
        onChange={() => onToggle(bound)}
      />
    );
  }
  const words = { this: "Yes: this browser", pinned: "Yes: the room names it", no: "No", asked: "No" }[reads];
  return <Text size="sm">{words}</Text>;
}
