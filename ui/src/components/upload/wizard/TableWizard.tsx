/** From a file that somebody has to what a table takes, step by step. Nothing leaves the machine meanwhile. */

import { Button, Group, Loader, Stack, Stepper, Text, TextInput } from "@mantine/core";
import { type ReactNode, useState } from "react";

import type { TableDataNode } from "../../../core/records";
import type { PreparedTable } from "../../../tables/recipe";
import { bytes } from "../../format";
import { Problem } from "../../Problem";
import { FileDrop } from "../FileDrop";
import { CheckStep } from "./CheckStep";
import { MappingStep } from "./MappingStep";
import { ReadingStep } from "./ReadingStep";
import { useTable } from "./useTable";

const ACCEPTED = ".csv,.tsv,.txt,.xlsx,text/csv,text/tab-separated-values,text/plain";
const [FILE, COLUMNS, CHECK] = [0, 1, 2];

export function TableWizard({
  node,
  action,
  onFile,
  onReady,
}: {
  node: TableDataNode;
  action: string;
  onFile: () => void;
  onReady: (prepared: PreparedTable, label: string) => void;
}) {
  const used = useTable(node);
  const [step, setStep] = useState(FILE);
  const [name, setName] = useState("");
  const { table, prepared } = used;
  const missing = node.columns.filter(
    (column, index) => !column.nullable && table?.recipe.columns[index]?.source === null,
  );
  const choose = (file: File): void => {
    setName(file.name);
    setStep(FILE);
    used.look(file);
    onFile();
  };
  const check = (): void => {
    setStep(CHECK);
    if (!used.checked) {
      used.check();
    }
  };
  return (
    <Stack>
      <Stepper active={step} size="xs" allowNextStepsSelect={false} onStepClick={(to) => to < step && setStep(to)}>
        <Stepper.Step label="File" />
        <Stepper.Step label="Columns" />
        <Stepper.Step label="Check" />
      </Stepper>
      {step === FILE && (
        <>
          <FileDrop
            file={table?.file ?? null}
            accept={ACCEPTED}
            hint="CSV, TSV or Excel (.xlsx). It is read here, and nothing leaves this machine before you say so."
            onFile={choose}
          />
          {used.looking && <Loader size="sm" role="img" aria-label="Reading" />}
          {used.lookError !== null && <Problem error={used.lookError} />}
          {table !== null && table.problem !== null && <Problem error={table.problem} />}
          {table !== null && <ReadingStep table={table} onReading={(reading) => used.look(table.file, reading)} />}
          <Buttons>
            <Button
              disabled={table === null || table.problem !== null || used.looking}
              onClick={() => setStep(COLUMNS)}
            >
              Next: columns
            </Button>
          </Buttons>
        </>
      )}
      {step === COLUMNS && table !== null && (
        <>
          <MappingStep node={node} table={table} changeColumn={used.changeColumn} />
          <Buttons>
            <Button variant="default" onClick={() => setStep(FILE)}>
              Back
            </Button>
            <Button disabled={missing.length > 0} onClick={check}>
              Next: check all rows
            </Button>
          </Buttons>
        </>
      )}
      {step === CHECK && table !== null && (
        <>
          <CheckStep node={node} used={used} table={table} />
          {prepared !== null && (
            <TextInput
              label="Name"
              description="For you alone: your vault keeps it."
              maxLength={4096}
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
            />
          )}
          <Buttons>
            {prepared !== null && (
              <Text size="sm" c="dimmed">
                {prepared.rows.toLocaleString("en")} rows, {bytes(prepared.size)}
              </Text>
            )}
            <Button variant="default" disabled={used.checking} onClick={() => setStep(COLUMNS)}>
              Back
            </Button>
            <Button
              disabled={prepared === null || name === ""}
              onClick={() => prepared !== null && onReady(prepared, name)}
            >
              {action}
            </Button>
          </Buttons>
        </>
      )}
    </Stack>
  );
}

function Buttons({ children }: { children: ReactNode }) {
  return <Group justify="flex-end">{children}</Group>;
}
