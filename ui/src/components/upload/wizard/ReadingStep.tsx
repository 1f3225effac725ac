/** How the file is written, as it looks and as it comes out: to be put right where the guess was wrong. */

import { Alert, Checkbox, Group, NativeSelect, Stack, Text } from "@mantine/core";
import type { SeenFile } from "../../../client/tableChecker";
import { maybeHeader } from "../../../tables/detect";
import { type CsvReading, type Encoding, NAMES, type Reading } from "../../../tables/reading";
import { shownCell } from "./cells";
import { FirstRows } from "./FirstRows";

const DELIMITERS = [
  { value: ",", label: "Comma" },
  { value: ";", label: "Semicolon" },
  { value: "\t", label: "Tab" },
  { value: "|", label: "Vertical bar" },
  { value: " ", label: "Space" },
];
const QUOTES = [
  { value: '"', label: 'Double quotes (")' },
  { value: "'", label: "Single quotes (')" },
  { value: "", label: "Quotes are nothing special" },
];
const ENCODINGS = Object.entries(NAMES).map(([value, label]) => ({ value, label }));

export function ReadingStep({
  table,
  onReading,
}: {
  table: Pick<SeenFile, "reading" | "sheets" | "start">;
  onReading: (reading: Reading) => void;
}) {
  const { reading, sheets, start } = table;
  const names = reading.header ? null : maybeHeader(start.records);
  return (
    <Stack gap="sm">
      <Group align="flex-end">
        {reading.kind === "csv" ? (
          <CsvChoices reading={reading} onReading={onReading} />
        ) : (
          <NativeSelect
            label="Sheet"
            data={sheets.map((label, value) => ({ value: String(value), label }))}
            value={String(reading.sheet)}
            onChange={(event) => onReading({ ...reading, sheet: Number(event.currentTarget.value) })}
          />
        )}
        <Checkbox
          mb={8}
          label="The first row names the columns"
          checked={reading.header}
          onChange={(event) => onReading({ ...reading, header: event.currentTarget.checked })}
        />
      </Group>
      {names !== null && (
        <Alert
          color="yellow"
          role="status"
          p="xs"
          title={`Is this the line of headings: ${shownCell(names.join(", "))}?`}
        >
          Then check “The first row names the columns”: it is taken for a row of data otherwise.
        </Alert>
      )}
      <Text size="sm" c="dimmed">
        {start.records.length === 0
          ? "There are no rows."
          : `${start.width} ${start.width === 1 ? "column" : "columns"}. These are the first rows as they are read:`}
      </Text>
      <FirstRows start={start} />
    </Stack>
  );
}

function CsvChoices({ reading, onReading }: { reading: CsvReading; onReading: (reading: Reading) => void }) {
  return (
    <>
      <NativeSelect
        label="Cells are separated by"
        data={DELIMITERS}
        value={reading.delimiter}
        onChange={(event) => onReading({ ...reading, delimiter: event.currentTarget.value })}
      />
      <NativeSelect
        label="Texts stand in"
        data={QUOTES}
        value={reading.quote}
        onChange={(event) => onReading({ ...reading, quote: event.currentTarget.value })}
      />
      <NativeSelect
        label="Encoding"
        data={ENCODINGS}
        value={reading.encoding}
        onChange={(event) => onReading({ ...reading, encoding: event.currentTarget.value as Encoding })}
      />
    </>
  );
}
