/** Every row is looked at: how far that is, and what was found. */

import { Alert, Button, Checkbox, Group, Progress, Stack, Text } from "@mantine/core";
import { IconCircleCheck, IconDownload } from "@tabler/icons-react";

import type { TableDataNode } from "../../../core/records";
import type { CheckResult } from "../../../tables/prepare";
import { problemList } from "../../../tables/problems";
import { download } from "../../download";
import { bytes } from "../../format";
import { Problem } from "../../Problem";
import { ProblemKind } from "./ProblemKind";
import type { TableFile, UsedTable } from "./useTable";

export function CheckStep({ node, used, table }: { node: TableDataNode; used: UsedTable; table: TableFile }) {
  const { checking, checkError, result, progress } = used;
  if (checking) {
    const done = progress === null || table.file.size === 0 ? 0 : (100 * progress.bytes) / table.file.size;
    return (
      <Stack gap="xs">
        <Progress value={done} aria-label="Rows checked" />
        <Group justify="space-between">
          <Text size="sm" role="status">
            {progress === null
              ? "Reading …"
              : `${progress.rows.toLocaleString("en")} rows checked, ${bytes(progress.bytes)} of ${bytes(table.file.size)}`}
          </Text>
          <Button size="xs" variant="default" onClick={used.cancel}>
            Cancel
          </Button>
        </Group>
      </Stack>
    );
  }
  if (checkError !== null) {
    return <Problem error={checkError} onRetry={used.check} />;
  }
  if (result === undefined) {
    return (
      <Group>
        <Text size="sm">Nothing was checked.</Text>
        <Button size="xs" onClick={used.check}>
          Check all rows
        </Button>
      </Group>
    );
  }
  return <Result node={node} used={used} table={table} result={result} />;
}

interface ResultProps {
  node: TableDataNode;
  used: UsedTable;
  table: TableFile;
  result: CheckResult;
}

function Result({ node, used, table, result }: ResultProps) {
  const { rows, invalidRows, blank, comparedAll, kinds } = result;
  const counted = rows.toLocaleString("en");
  const left = invalidRows.toLocaleString("en");
  return (
    <Stack>
      {invalidRows === 0 ? (
        <Alert
          color="green"
          variant="light"
          icon={<IconCircleCheck aria-hidden />}
          title={`All ${counted} rows are valid`}
        >
          They were checked in this browser, and nothing has left it. The enclave checks them again.
        </Alert>
      ) : (
        <Alert
          color="yellow"
          variant="light"
          role="status"
          title={`${left} of ${counted} rows are not what the table takes`}
        >
          Mend them here, or leave them out; or change the file, and choose it again. Nothing has left this machine.
        </Alert>
      )}
      {(blank > 0 || !comparedAll) && (
        <Text size="sm" c="dimmed">
          {blank > 0 && `${blank.toLocaleString("en")} blank lines are no rows, and left out. `}
          {!comparedAll && "There are very many rows: whether any is there twice is checked in the enclave."}
        </Text>
      )}
      {kinds.map((kind) => (
        <ProblemKind
          key={`${kind.code} ${kind.column} ${kind.combination}`}
          node={node}
          kind={kind}
          recipe={table.recipe}
          change={used.change}
          changeColumn={used.changeColumn}
        />
      ))}
      {invalidRows > 0 && (
        <Group justify="space-between">
          <Checkbox
            label={`Leave out the ${left} invalid rows`}
            checked={table.recipe.drop}
            disabled={!used.checked}
            onChange={(event) => used.change({ drop: event.currentTarget.checked })}
          />
          <Group gap="xs">
            <Button
              size="xs"
              variant="default"
              leftSection={<IconDownload size={14} aria-hidden />}
              onClick={() =>
                download(
                  new Blob([problemList(result, node)], { type: "text/csv" }),
                  `Problems of ${table.file.name}.csv`,
                )
              }
            >
              Save this list
            </Button>
            <Button size="xs" disabled={used.checked} onClick={used.check}>
              Check again
            </Button>
          </Group>
        </Group>
      )}
    </Stack>
  );
}
