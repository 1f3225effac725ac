/** The range of a column of numbers. */

import { Button, Group, NativeSelect, NumberInput, Popover, Text } from "@mantine/core";
import { useState } from "react";

import type { Range } from "../../../core/records";

const LOWER = { "≥": "greater_than_equals", ">": "greater_than" } as const;
const UPPER = { "≤": "less_than_equals", "<": "less_than" } as const;

/** What a range lets in, in short. */
function words(range: Range): string {
  const bounds = Object.entries({ ...LOWER, ...UPPER }).flatMap(([sign, field]) =>
    range[field] === undefined ? [] : `${sign} ${range[field]}`,
  );
  return bounds.length === 0 ? "Any" : bounds.join(", ");
}

interface RangeProps {
  named: string;
  range: Range;
  onRange: (range: Range) => void;
}

export function RangeOf({ named, range, onRange }: RangeProps) {
  return (
    <Popover trapFocus returnFocus position="bottom-end" withinPortal>
      <Popover.Target>
        <Button size="compact-xs" variant="default" aria-label={`Range of ${named}: ${words(range)}`}>
          {words(range)}
        </Button>
      </Popover.Target>
      <Popover.Dropdown aria-label={`Range of ${named}`}>
        <Text size="xs" mb="xs">
          Numbers that are allowed
        </Text>
        <Group gap="sm" wrap="nowrap">
          <Bound named={named} what="Lower" signs={LOWER} range={range} onRange={onRange} />
          <Bound named={named} what="Upper" signs={UPPER} range={range} onRange={onRange} />
        </Group>
      </Popover.Dropdown>
    </Popover>
  );
}

interface BoundProps extends RangeProps {
  what: "Lower" | "Upper";
  signs: Readonly<Record<string, keyof Range>>;
}

/** One side of a range. What an import has said with both signs at once stays until it is changed. */
function Bound({ named, what, signs, range, onRange }: BoundProps) {
  const given = Object.entries(signs).find(([, field]) => range[field] !== undefined);
  const value = given === undefined ? undefined : range[given[1]];
  const [preferred, setPreferred] = useState(Object.keys(signs)[0] ?? "");
  const [written, setWritten] = useState<string | number>("");
  const sign = given?.[0] ?? preferred;
  const set = (chosen: string, number: number | undefined): void => {
    const kept = Object.entries(range).filter(([field]) => !Object.values(signs).includes(field as keyof Range));
    const field = signs[chosen];
    const bound = number === undefined || field === undefined ? [] : [[field, number] as const];
    onRange(Object.fromEntries([...kept, ...bound]));
  };
  return (
    <Group gap={2} wrap="nowrap">
      <NativeSelect
        size="xs"
        w={52}
        aria-label={`${what} bound of ${named}: sign`}
        data={Object.keys(signs)}
        value={sign}
        onChange={({ currentTarget: { value: chosen } }) => {
          setPreferred(chosen);
          set(chosen, value);
        }}
      />
      <NumberInput
        size="xs"
        w={110}
        aria-label={`${what} bound of ${named}`}
        hideControls
        // Half a number, as "-" or "1.", stays for as long as it stands for the same.
        value={numberOf(written) === value ? written : (value ?? "")}
        onChange={(number) => {
          setWritten(number);
          set(sign, numberOf(number));
        }}
      />
    </Group>
  );
}

function numberOf(written: string | number): number | undefined {
  const number = written === "" ? Number.NaN : Number(written);
  return Number.isFinite(number) ? number : undefined;
}
