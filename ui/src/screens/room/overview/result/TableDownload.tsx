/** A table as one CSV file with the names of its columns, which the result itself keeps beside it. */

import { Button } from "@mantine/core";
import { IconTable } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import Papa from "papaparse";

import type { Archive } from "../../../../client/archive";
import { download } from "../../../../components/download";
import { Problem } from "../../../../components/Problem";
import { columnNames } from "../../../../components/preview/types";

const [TABLE, TYPES] = ["dataset.csv", "types"];
/** Bytes of the names. */
const MOST = 4 * 1024 * 1024;

export function TableDownload({ archive, name }: { archive: Archive; name: string }) {
  const save = useMutation({
    mutationFn: async () => {
      const names = columnNames((await archive.head(TYPES, MOST)).bytes) ?? [];
      const header = names.length === 0 ? "" : `${Papa.unparse([names])}\n`;
      download(
        new Blob([header, await archive.blob(TABLE, Number.MAX_SAFE_INTEGER)], { type: "text/csv" }),
        `${name}.csv`,
      );
    },
  });
  if (!archive.has(TABLE) || !archive.has(TYPES)) {
    return null;
  }
  return (
    <>
      <Button
        variant="default"
        leftSection={<IconTable size={16} aria-hidden />}
        loading={save.isPending}
        onClick={() => save.mutate()}
      >
        Download as CSV with column names
      </Button>
      {save.error !== null && <Problem error={save.error} />}
    </>
  );
}
