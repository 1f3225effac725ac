/** Testing a draft: everything is run as it would be in the published room, with every console shown. */

import { Alert, Button, Group, Progress, Stack, Text, Title } from "@mantine/core";
import { IconPlayerPlay } from "@tabler/icons-react";
import { Link } from "react-router";

import { moment } from "../../../components/format";
import { Problem } from "../../../components/Problem";
import { isOf, passed } from "../../../core/report";
import { useDraft } from "../../../drafts/useDraft";
import type { Tested } from "./draftTest";
import { Results } from "./Results";
import { counted, over, progressRows, reportRows, tested } from "./rows";
import { TestData } from "./TestData";
import { useTest } from "./useTest";

const NO_RESULTS: ReadonlyMap<string, Blob> = new Map();

export default function TestTab() {
  const { configuration } = useDraft();
  const test = useTest();
  const { running, progress, cancelled, error, warnings, last } = test;
  if (tested(configuration).length === 0) {
    return <Text c="dimmed">There is nothing to test yet: add tables and computations first.</Text>;
  }
  const rows = progressRows(configuration, progress, running);
  return (
    <Stack gap="xl">
      <Text maw={760}>
        All of it is run in the same enclave, images and limits as the published room, but in a room that only you are
        in. So you see every console, which nobody can in the published room unless you allow it. Afterwards the room is
        stopped, and its data deleted.
      </Text>
      <Stack gap="sm" component="section" aria-label="Test data">
        <Title order={2} size="h4">
          Test data
        </Title>
        <TestData disabled={running} />
      </Stack>
      <Stack gap="sm" component="section" aria-label="Test">
        <Title order={2} size="h4">
          Test
        </Title>
        <Group>
          {running ? (
            <Button
              variant="default"
              // Not the second click of two that were meant to begin it.
              onClick={({ detail }) => detail < 2 && test.cancel()}
              disabled={cancelled}
            >
              {cancelled ? "Ending …" : "Cancel the test"}
            </Button>
          ) : (
            <Button onClick={test.start} leftSection={<IconPlayerPlay size={18} aria-hidden />}>
              Test all computations
            </Button>
          )}
          <Text role="status" size="sm">
            {running ? (cancelled ? "What was begun is ended, and cleaned up." : now(progress.size, rows)) : ""}
          </Text>
        </Group>
        {running && <Progress value={(100 * over(rows)) / rows.length} aria-label="Tested" />}
        {error !== null && <Problem error={error} />}
        {!running && cancelled && <Alert title="You have cancelled the test">Nothing of it is left.</Alert>}
        {warnings.map((warning) => (
          <Alert key={warning} color="yellow" title="Something of the test is left">
            {warning}
          </Alert>
        ))}
        {progress.size > 0 && (running || error !== null || cancelled) ? (
          <Results key="progress" rows={rows} results={NO_RESULTS} />
        ) : (
          last !== undefined && <LastTest last={last} />
        )}
      </Stack>
    </Stack>
  );
}

function now(begun: number, rows: ReturnType<typeof progressRows>): string {
  return begun === 0
    ? "Getting ready: packages are looked up, and test data is encrypted …"
    : `${over(rows)} of ${rows.length} are done.`;
}

function LastTest({ last }: { last: Tested }) {
  const { id, configuration } = useDraft();
  const { report, results, ended } = last;
  const rows = reportRows(last.configuration, report);
  const all = passed(report);
  const same = isOf(report, configuration);
  return (
    <Stack gap="sm">
      {!same && (
        <Alert color="yellow" title="Changed since it was tested">
          What stands below is of the draft as it was at {moment(ended)}. Test it again before you publish it.
        </Alert>
      )}
      <Alert color={all ? "green" : "red"} title={all ? "All of it has passed" : "Not all of it has passed"}>
        <Stack gap="xs">
          <Text size="sm">
            {counted(rows)}. Tested at {moment(ended)}.
          </Text>
          {report.empty.length > 0 && (
            <Text size="sm">
              There was no test data for {report.empty.join(", ")}: what reads that has found it empty.
            </Text>
          )}
          {all && same && (
            <Group>
              <Button size="xs" component={Link} to={`/drafts/${id}/publish`}>
                Encrypt and publish
              </Button>
            </Group>
          )}
        </Stack>
      </Alert>
      <Results key={ended} rows={rows} results={results} />
    </Stack>
  );
}
