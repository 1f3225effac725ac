/** What became of each node in a test. */

import { Accordion, Badge, Button, Group, Loader, Stack, Text } from "@mantine/core";
import {
  IconCircleCheck,
  IconCircleMinus,
  IconCircleX,
  IconClock,
  IconDownload,
  type TablerIcon,
} from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";

import { Archive } from "../../../client/archive";
import { Console } from "../../../components/Console";
import { download } from "../../../components/download";
import { KINDS } from "../../../components/kinds";
import { Problem } from "../../../components/Problem";
import { Validation } from "../../../components/validation/Validation";
import type { NodeReport } from "../../../core/records";
import type { Row, Standing } from "./rows";

/** Files of a result that are listed; all of them are in the zip. */
const MOST_FILES = 100;
/** Bytes of one file that is handed out by itself. */
const MOST = 2 * 1024 ** 3;

const LOOKS: Partial<Record<Standing, { icon: TablerIcon; color: string }>> = {
  passed: { icon: IconCircleCheck, color: "green" },
  failed: { icon: IconCircleX, color: "red" },
  skipped: { icon: IconCircleMinus, color: "yellow" },
};

interface ResultsProps {
  rows: readonly Row[];
  results: ReadonlyMap<string, Blob>;
}

export function Results({ rows, results }: ResultsProps) {
  // By places: ids may have spaces, which those of elements can't.
  const failed = rows.flatMap((row, at) => (row.standing === "failed" ? [String(at)] : []));
  return (
    <Accordion multiple variant="separated" chevronPosition="left" order={3} defaultValue={failed}>
      {rows.map((row, at) => (
        <Accordion.Item key={row.node.id} value={String(at)}>
          <Accordion.Control>
            <Head row={row} />
          </Accordion.Control>
          <Accordion.Panel>
            {row.report === undefined ? (
              <Text size="sm">There is nothing of it yet.</Text>
            ) : (
              <Body row={row} report={row.report} content={results.get(row.node.id)} />
            )}
          </Accordion.Panel>
        </Accordion.Item>
      ))}
    </Accordion>
  );
}

function Head({ row: { node, standing, words } }: { row: Row }) {
  const { icon: Icon, color } = LOOKS[standing] ?? { icon: IconClock, color: "gray" };
  return (
    <Group gap="sm" wrap="nowrap">
      {standing === "running" || standing === "uploading" ? (
        <Loader size={18} aria-hidden />
      ) : (
        <Icon size={20} color={`var(--mantine-color-${color}-text)`} aria-hidden />
      )}
      <Text fw={600} size="sm" component="bdi">
        {node.name}
      </Text>
      <Badge variant="default" size="sm">
        {KINDS[node.kind].label}
      </Badge>
      <Text size="sm" component="bdi" lineClamp={2}>
        {words}
      </Text>
    </Group>
  );
}

function Body({ row, report, content }: { row: Row; report: NodeReport; content: Blob | undefined }) {
  const { node } = row;
  return (
    <Stack gap="sm">
      {report.outcome === "skipped" && <Text size="sm">Mend {report.needs} first: nothing of this was run.</Text>}
      {node.kind === "table_data" && report.validation !== undefined ? (
        <Validation validation={report.validation} columns={node.columns.map((column) => column.name)} />
      ) : (
        report.error !== "" && (
          <Console text={report.error} label={`What went wrong in ${node.name}`} file={`${node.name} error.txt`} />
        )
      )}
      {report.console !== "" && (
        <Console text={report.console} label={`Console of ${node.name}`} file={`${node.name} console.txt`} />
      )}
      {report.outcome === "passed" && report.console === "" && "logs_on_success" in node && (
        <Text size="sm" c="dimmed">
          It has printed nothing.
        </Text>
      )}
      {content !== undefined && <Files name={node.name} files={report.files} content={content} />}
    </Stack>
  );
}

function Files({ name, files, content }: { name: string; files: readonly string[]; content: Blob }) {
  const fetching = useMutation({
    mutationFn: async (file: string) => {
      const archive = await Archive.open(content);
      download(await archive.blob(file, MOST), file.split("/").at(-1) ?? file);
    },
  });
  return (
    <Stack gap="xs">
      <Group gap="xs">
        <Button
          size="xs"
          variant="default"
          leftSection={<IconDownload size={14} aria-hidden />}
          onClick={() => download(content, `${name}.zip`)}
        >
          Download its result
        </Button>
        {files.slice(0, MOST_FILES).map((file) => (
          <Button key={file} size="xs" variant="subtle" onClick={() => fetching.mutate(file)}>
            <bdi>{file}</bdi>
          </Button>
        ))}
        {files.length > MOST_FILES && <Text size="sm">and {files.length - MOST_FILES} more files in it</Text>}
      </Group>
      {fetching.error !== null && <Problem error={fetching.error} />}
    </Stack>
  );
}
