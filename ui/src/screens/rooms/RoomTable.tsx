/** The published rooms that invite the user. */

import { Alert, Anchor, Badge, Button, Group, Loader, Stack, Table, Text } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import { Link } from "react-router";

import type { LiveStatus, Room } from "../../client/room";
import { Hex } from "../../components/Hex";
import { wordsFor } from "../../components/Problem";
import { VerificationError } from "../../core/errors";
import type { RoomEntry } from "../../core/records";
import styles from "./Rooms.module.css";
import { rolesOf, type Standing, standing } from "./summary";

const COLORS = { ended: "gray", open: "yellow", waiting: "blue", ready: "green" } as const satisfies Record<
  Standing["tone"],
  string
>;

export function RoomTable({
  entries,
  rooms,
  statuses,
  email,
}: {
  entries: readonly RoomEntry[];
  rooms: ReadonlyMap<string, UseQueryResult<Room>>;
  statuses: ReadonlyMap<string, UseQueryResult<LiveStatus>>;
  email: string;
}) {
  return (
    <Table.ScrollContainer minWidth={640}>
      <Table verticalSpacing="sm" highlightOnHover>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Room</Table.Th>
            <Table.Th>Owner</Table.Th>
            <Table.Th>What you do there</Table.Th>
            <Table.Th>State</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {entries.map((entry) => {
            const room = rooms.get(entry.id);
            return room?.data === undefined ? (
              <Unread key={entry.id} entry={entry} query={room} />
            ) : (
              <Read key={entry.id} room={room.data} status={statuses.get(entry.id)} email={email} />
            );
          })}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function Read({
  room: { id, definition },
  status,
  email,
}: {
  room: Room;
  status: UseQueryResult<LiveStatus> | undefined;
  email: string;
}) {
  return (
    <Table.Tr>
      <Table.Td className={styles["name"]}>
        <Anchor component={Link} to={`/rooms/${id}`} fw={600} size="sm">
          {definition.title}
        </Anchor>
        {definition.description !== "" && (
          <Text size="xs" c="dimmed" lineClamp={2}>
            {definition.description}
          </Text>
        )}
      </Table.Td>
      <Table.Td className={styles["name"]}>{definition.owner === email ? "You" : definition.owner}</Table.Td>
      <Table.Td>{rolesOf(definition, email).join(", ")}</Table.Td>
      <Table.Td>
        {status?.data !== undefined ? (
          <State is={standing(definition, status.data, email)} />
        ) : status?.error != null ? (
          <Text size="sm" c="red">
            {wordsFor(status.error)}
          </Text>
        ) : (
          <Loader size="xs" role="img" aria-label="Asking how it stands" />
        )}
      </Table.Td>
    </Table.Tr>
  );
}

function State({ is: { tone, label } }: { is: Standing }) {
  return (
    <Badge color={COLORS[tone]} variant="light" tt="none" className={styles["state"] ?? ""}>
      {label}
    </Badge>
  );
}

function Unread({ entry, query }: { entry: RoomEntry; query: UseQueryResult<Room> | undefined }) {
  return (
    <Table.Tr>
      <Table.Td>
        <Hex value={entry.id} what="room id" />
      </Table.Td>
      <Table.Td className={styles["name"]}>{entry.owner}</Table.Td>
      <Table.Td colSpan={2}>
        {query?.error == null ? (
          <Loader size="xs" role="img" aria-label="Being read" />
        ) : (
          <Stack gap={4} align="flex-start">
            {query.error instanceof VerificationError && (
              <Alert color="red" p="xs" title="A check has failed: nothing of this room is shown" />
            )}
            <Text size="sm">{wordsFor(query.error)}</Text>
            <Group>
              <Button size="compact-xs" variant="default" onClick={() => void query.refetch()}>
                Try again
              </Button>
            </Group>
          </Stack>
        )}
      </Table.Td>
    </Table.Tr>
  );
}
