/** What was verified about this room, against what, and when; and whose device keys speak for whom in it. */

import { Alert, Badge, Button, Group, Stack, Table, Text, Title } from "@mantine/core";
import { IconAlertTriangle, IconCheck, IconShieldCheck } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";

import { keys, useStatus, useTrusted } from "../../../app/queries";
import { useClient } from "../../../app/session";
import type { Trusted } from "../../../client/channel";
import type { LiveStatus, Room } from "../../../client/room";
import { confirmed } from "../../../components/confirm";
import { moment } from "../../../components/format";
import { Hex } from "../../../components/Hex";
import { Loaded } from "../../../components/Page";
import { Problem } from "../../../components/Problem";
import { fromBase64, toHex } from "../../../core/encoding";
import type { Reference } from "../../../core/records";
import * as software from "../../../core/software";
import type { TabProps } from "../RoomPage";
import { keyRows } from "./keys";
import styles from "./TrustTab.module.css";

export default function TrustTab({ room }: TabProps) {
  const trusted = useTrusted();
  const status = useStatus(room);
  return (
    <Loaded query={trusted}>
      {(proven) => (
        <Loaded query={status}>
          {(told) => (
            <Stack gap="xl">
              <Enclave proven={proven} room={room} />
              <Checks proven={proven} room={room} status={told} />
              <Keys room={room} status={told} />
            </Stack>
          )}
        </Loaded>
      )}
    </Loaded>
  );
}

function Enclave({ proven, room }: { proven: Trusted; room: Room }) {
  const unprotected =
    proven.attested.evidence === software.TYPE ||
    room.definition.workers.some((each) => each.evidence === software.TYPE);
  if (unprotected) {
    return (
      <Alert
        color="red"
        variant="filled"
        icon={<IconAlertTriangle aria-hidden />}
        title="Software enclave: no protection"
      >
        This room runs without a trusted execution environment. All checks below were made, but whoever operates the
        server could see the data and change what is computed. That is fine for trying Cloister out, and for data that
        the operator may see. You have allowed it for this browser; Settings take that back.
      </Alert>
    );
  }
  return (
    <Alert color="green" icon={<IconShieldCheck aria-hidden />} title="The enclave has proven itself">
      It runs in a trusted execution environment ({proven.attested.evidence}), and its software is the one that the room
      names: not even the operator of the server sees the data.
    </Alert>
  );
}

function Checks({ proven, room, status }: { proven: Trusted; room: Room; status: LiveStatus }) {
  const { definition } = room;
  const client = useClient();
  return (
    <section aria-labelledby="checks">
      <Title order={2} size="h3" id="checks" mb="sm">
        What this browser has verified
      </Title>
      <Table.ScrollContainer minWidth={700}>
        <Table verticalSpacing="sm">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>What</Table.Th>
              <Table.Th>Shown</Table.Th>
              <Table.Th>Against</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            <Check
              what="The enclave's evidence is fresh, and vouches for its keys"
              shown={
                <Group gap="xs">
                  <Kind evidence={proven.attested.evidence} />
                  <Hex value={proven.attested.measurement} what="measurement of the enclave" />
                </Group>
              }
              against={<References what="this release's enclave" references={client.references} />}
              note={`Verified ${moment(proven.proven)}, for a random number of this browser`}
            />
            <Check
              what="It is the enclave that all participants have agreed on"
              shown={<Hex value={proven.attested.measurement} what="measurement of the enclave" />}
              against={<References what="the room's enclave" references={definition.enclaves} />}
            />
            <Check
              what="Answers come from that enclave alone"
              shown={<Hex value={toHex(fromBase64(proven.keys.signing))} what="signing key of the enclave" />}
              against={<Text size="sm">the key that its evidence vouches for</Text>}
            />
            <Check
              what="The room is the one that its id stands for"
              shown={<Hex value={room.id} what="room id" />}
              against={<Text size="sm">SHA-256 of the definition, computed here</Text>}
            />
            <Check
              what="Computations run on the workers that were agreed on"
              shown={<Text size="sm">named in each receipt, and checked with each result</Text>}
              against={<References what="the room's worker" references={definition.workers} />}
            />
            <Check
              what="Computations run in the images that were agreed on"
              shown={<Text size="sm">named in each receipt, and checked with each result</Text>}
              against={
                <Stack gap={4}>
                  {definition.images.map((image) => (
                    <Group key={image.name} gap="xs">
                      <Text size="sm">{image.name}</Text>
                      <Hex value={image.measurement} what={`measurement of the image ${image.name}`} />
                    </Group>
                  ))}
                </Stack>
              }
            />
            <Check
              what="The log only ever grows"
              shown={<Text size="sm">{status.size} events by now</Text>}
              against={<Text size="sm">every checkpoint that this browser has seen of this room, at each answer</Text>}
            />
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </section>
  );
}

function Check(row: { what: string; shown: ReactNode; against: ReactNode; note?: string }) {
  return (
    <Table.Tr>
      <Table.Td>
        <Group gap="xs" wrap="nowrap" align="flex-start">
          <IconCheck className={styles["check"]} size={18} aria-label="Verified" />
          <Stack gap={2}>
            <Text size="sm">{row.what}</Text>
            {row.note !== undefined && (
              <Text size="xs" c="dimmed">
                {row.note}
              </Text>
            )}
          </Stack>
        </Group>
      </Table.Td>
      <Table.Td>{row.shown}</Table.Td>
      <Table.Td>{row.against}</Table.Td>
    </Table.Tr>
  );
}

function References({ references, what }: { references: readonly Reference[]; what: string }) {
  return (
    <Stack gap={4}>
      {references.map(({ evidence, measurement }) => (
        <Group key={`${evidence} ${measurement}`} gap="xs">
          <Kind evidence={evidence} />
          <Hex value={measurement} what={`reference value of ${what}`} />
        </Group>
      ))}
    </Stack>
  );
}

function Kind({ evidence }: { evidence: string }) {
  const insecure = evidence === software.TYPE;
  return (
    <Badge color={insecure ? "red" : "green"} variant={insecure ? "filled" : "light"} tt="none">
      {evidence}
    </Badge>
  );
}

function Keys({ room, status }: { room: Room; status: LiveStatus }) {
  const client = useClient();
  const queries = useQueryClient();
  const rows = keyRows(room.definition, status.keys, { user: client.email, key: client.deviceKey });
  const ending = useMutation({
    mutationFn: (key: string) => room.unbindKey(key),
    onSettled: () => queries.invalidateQueries({ queryKey: keys.status(room.id) }),
  });
  const end = async (key: string): Promise<void> => {
    const sure = await confirmed({
      title: "End this device's key in this room?",
      words:
        "Whoever has that device can't read or change anything in this room any more, for good. Everybody sees it in the audit log. " +
        "Do so for a device that you have lost.",
      action: "End the key",
    });
    if (sure) {
      ending.mutate(key);
    }
  };
  return (
    <section aria-labelledby="keys">
      <Title order={2} size="h3" id="keys">
        Whose devices speak for whom
      </Title>
      <Text c="dimmed" size="sm" mb="sm">
        {room.definition.pins_required
          ? "The definition pins all keys: no others can come in."
          : `Devices come in on the word of ${room.definition.issuers.map((each) => each.name).join(", ")}, or of a device that is in; always visibly. Somebody you don't expect here? Ask them whether the device is theirs, before you provide data.`}
      </Text>
      {ending.error !== null && <Problem error={ending.error} />}
      <Table.ScrollContainer minWidth={600}>
        <Table verticalSpacing="xs">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Participant</Table.Th>
              <Table.Th>Device key</Table.Th>
              <Table.Th>How</Table.Th>
              <Table.Th>
                <span aria-hidden />
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map((row) => (
              <Table.Tr key={`${row.user} ${row.key}`}>
                <Table.Td>{row.user}</Table.Td>
                <Table.Td>
                  {row.key === "" ? (
                    <Text size="sm" c="dimmed">
                      none yet
                    </Text>
                  ) : (
                    <Hex value={row.key} what={`device key of ${row.user}`} length={16} />
                  )}
                </Table.Td>
                <Table.Td>
                  <Group gap="xs">
                    {row.pinned && <Badge variant="light">Pinned by the definition</Badge>}
                    {row.bound && <Badge variant="light">Bound</Badge>}
                    {row.mine && (
                      <Badge variant="light" color="green">
                        This browser
                      </Badge>
                    )}
                  </Group>
                </Table.Td>
                <Table.Td>
                  {row.endable && (
                    <Button
                      size="compact-xs"
                      variant="default"
                      loading={ending.isPending && ending.variables === row.key}
                      onClick={() => void end(row.key)}
                      aria-label={`End the key ${row.key.slice(0, 16)}`}
                    >
                      End
                    </Button>
                  )}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </section>
  );
}
