/** What the validation of a table has found, read from the result of that validation. */

import { Stack, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import type { Archive } from "../../../../client/archive";
import { Loaded } from "../../../../components/Page";
import { Validation } from "../../../../components/validation/Validation";
import type { TableDataNode } from "../../../../core/records";

const REPORT = "validation-report.json";
/** Bytes: it lists so many errors at most. */
const MOST = 32 * 1024 * 1024;

/** @param id Tells archives apart. */
export function ValidationReport({ archive, node, id }: { archive: Archive; node: TableDataNode; id: string }) {
  const report = useQuery({
    queryKey: ["validation report", id],
    queryFn: async ({ signal }) => read(archive.has(REPORT) ? await archive.text(REPORT, MOST, signal) : "null"),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
  return (
    <Stack component="section" aria-label="Validation report" gap="xs">
      <Title order={3} size="h5">
        Validation report
      </Title>
      <Loaded query={report}>
        {(found) => <Validation validation={found} columns={node.columns.map((column) => column.name)} />}
      </Loaded>
    </Stack>
  );
}

/** What can't be read shows as no report. */
function read(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
