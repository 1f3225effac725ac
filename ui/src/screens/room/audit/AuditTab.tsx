/** All that has happened in the room, verified in this browser while it is read. */

import { Alert, Button, Center, Group, Progress, Select, Stack, Text, TextInput } from "@mantine/core";
import { IconDownload, IconRefresh, IconSearch, IconShieldCheck } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useRef, useState } from "react";

import { keys, useStatus } from "../../../app/queries";
import type { ReadLog } from "../../../client/roomLog";
import { download } from "../../../components/download";
import { moment } from "../../../components/format";
import { Hex } from "../../../components/Hex";
import { Problem } from "../../../components/Problem";
import { auditText } from "../../../core/audit";
import { toHex, utf8 } from "../../../core/encoding";
import type { TabProps } from "../RoomPage";
import styles from "./AuditTab.module.css";
import { actions, type Line, lines, matching } from "./entries";

const ROW = 36;

export default function AuditTab({ room }: TabProps) {
  const [reading, setReading] = useState<{ read: number; size: number } | null>(null);
  const queries = useQueryClient();
  const log = useQuery({
    queryKey: keys.log(room.id),
    queryFn: async () => {
      try {
        return await room.readLog((read, size) => setReading({ read, size }));
      } finally {
        setReading(null);
      }
    },
    // Reading is an event itself: it is read when somebody asks for it, not whenever a page comes back.
    staleTime: Number.POSITIVE_INFINITY,
    structuralSharing: false,
  });
  if (log.data === undefined) {
    if (log.error !== null) {
      return <Problem error={log.error} onRetry={() => void log.refetch()} />;
    }
    const percent = reading === null ? 0 : (100 * reading.read) / Math.max(1, reading.size);
    return (
      <Center p="xl">
        <Stack w={320}>
          <Text role="status">
            {reading === null
              ? "Reading the log …"
              : `Reading and verifying: ${reading.read} of ${reading.size} events`}
          </Text>
          <Progress value={percent} aria-label="How much of the log is read" />
        </Stack>
      </Center>
    );
  }
  return (
    <Stack>
      {log.error !== null && <Problem error={log.error} onRetry={() => void log.refetch()} />}
      <Verified
        log={log.data}
        room={room}
        reading={log.isFetching}
        again={() => void queries.refetchQueries({ queryKey: keys.log(room.id) })}
      />
      <Events log={log.data} title={room.definition.title} />
    </Stack>
  );
}

function Verified({ log, room, reading, again }: { log: ReadLog; reading: boolean; again: () => void } & TabProps) {
  const status = useStatus(room);
  const { size, root } = log.told.checkpoint;
  const newer = (status.data?.size ?? 0) - size;
  return (
    <Alert
      color="green"
      icon={<IconShieldCheck aria-hidden />}
      title={`Verified: all ${size} events are those that the enclave has signed`}
    >
      <Stack gap="xs">
        <Text size="sm">
          This browser has hashed them to the root <Hex value={toHex(root)} what="root of the log" /> of a signed
          checkpoint, and checked that the log goes on from everything it has seen of it before. Reading the log is an
          event, too: everybody sees who has read it.
        </Text>
        <Group gap="sm">
          <Text size="sm" role="status">
            {newer > 0
              ? `${newer} more ${newer === 1 ? "event has" : "events have"} come since; the log is proven to go on from this one.`
              : "Nothing has happened since."}
          </Text>
          <Button
            size="xs"
            variant="default"
            leftSection={<IconRefresh size={14} aria-hidden />}
            loading={reading}
            onClick={again}
          >
            Read again
          </Button>
        </Group>
      </Stack>
    </Alert>
  );
}

function Events({ log, title }: { log: ReadLog; title: string }) {
  const [words, setWords] = useState("");
  const [action, setAction] = useState<string | null>(null);
  const [newestFirst, setNewestFirst] = useState(true);
  const all = useMemo(() => lines(log.events), [log]);
  const kinds = useMemo(() => actions(all), [all]);
  const found = useMemo(() => {
    const fitting = matching(all, words, action);
    return newestFirst ? fitting.reverse() : fitting;
  }, [all, words, action, newestFirst]);
  return (
    <>
      <Group align="flex-end">
        <TextInput
          label="Find"
          placeholder="Who, what, or a digest"
          leftSection={<IconSearch size={16} aria-hidden />}
          value={words}
          onChange={(event) => setWords(event.currentTarget.value)}
        />
        <Select label="Only" placeholder="Everything" clearable data={kinds} value={action} onChange={setAction} />
        <Button variant="default" onClick={() => setNewestFirst(!newestFirst)} aria-pressed={newestFirst}>
          {newestFirst ? "Newest first" : "Oldest first"}
        </Button>
        <Button
          variant="default"
          leftSection={<IconDownload size={16} aria-hidden />}
          onClick={() =>
            download(new Blob([utf8(auditText(log.events))], { type: "text/plain" }), `${title}.audit.txt`)
          }
        >
          Download
        </Button>
        <Text size="sm" c="dimmed" role="status">
          {found.length === all.length ? `${all.length} events` : `${found.length} of ${all.length} events`}
        </Text>
      </Group>
      <Rows found={found} />
    </>
  );
}

function Rows({ found }: { found: readonly Line[] }) {
  const scroll = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: found.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => ROW,
    overscan: 20,
  });
  const shown = rows.getVirtualItems();
  const above = shown[0]?.start ?? 0;
  const below = rows.getTotalSize() - (shown.at(-1)?.end ?? 0);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section ref={scroll} className={styles["scroll"]} tabIndex={0} aria-label="Audit log">
      <table className={styles["table"]} aria-rowcount={found.length + 1}>
        <colgroup>
          <col width={72} />
          <col width={200} />
          <col width={190} />
          <col />
          <col width={140} />
        </colgroup>
        <thead>
          <tr aria-rowindex={1}>
            {["No.", "When", "Who", "What", "About"].map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {above > 0 && <tr aria-hidden style={{ height: above }} />}
          {shown.map(({ index }) => {
            const line = found[index];
            return line !== undefined && <Row key={line.index} line={line} position={index} />;
          })}
          {below > 0 && <tr aria-hidden style={{ height: below }} />}
        </tbody>
      </table>
    </section>
  );
}

function Row({ line, position }: { line: Line; position: number }) {
  return (
    <tr aria-rowindex={position + 2}>
      <td className={styles["number"]}>{line.index}</td>
      <td className={styles["number"]}>{moment(line.time)}</td>
      <td title={line.actor}>{line.actor}</td>
      <td title={line.notes}>{line.notes}</td>
      <td>{line.detail !== "" && <Hex value={line.detail} what={`what event ${line.index} is about`} length={8} />}</td>
    </tr>
  );
}
