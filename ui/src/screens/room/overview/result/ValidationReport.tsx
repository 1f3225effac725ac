/** What the validation of a table has found, read from the result of that validation. */

import { Stack, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import type { Archive } from "../../../../client/archive";
import { Loaded } from "../../../../components/Page";
import { Validation } from "../../../../components/validation/Validation";
import type { TableDataNode } from "../../../../core/records";
import { reportQuery } from "./report";

/** @param id Tells archives apart. */
export function ValidationReport({ archive, node, id }: { archive: Archive; node: TableDataNode; id: string }) {
  const report = useQuery(reportQuery(archive, id));
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
