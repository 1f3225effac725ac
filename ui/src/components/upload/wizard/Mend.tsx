/** Another value for a cell that is wrong. It is taken as soon as it is a valid one. */

import { Button, Group, Text, TextInput } from "@mantine/core";
import { useState } from "react";

import type { Column } from "../../../core/records";
import { check } from "../../../tables/cells";
import { made } from "../../../tables/preparation";
import { MESSAGES } from "../../../tables/problems";
import { asked, type ColumnRecipe } from "../../../tables/recipe";

export function Mend({
  column,
  recipe,
  label,
  hint,
  value,
  onValue,
}: {
  column: Column;
  recipe: ColumnRecipe;
  label: string;
  hint: string;
  /** What was taken. */
  value: string | undefined;
  /** Undefined: as it is in the file. */
  onValue: (text: string | undefined) => void;
}) {
  const [text, setText] = useState(value ?? "");
  const { code } = check(asked(column, recipe), made(text, recipe));
  const write = (written: string): void => {
    setText(written);
    const valid = check(asked(column, recipe), made(written, recipe)).code === undefined;
    onValue(written !== "" && valid ? written : undefined);
  };
  if (value === "") {
    return (
      <Group gap="xs">
        <Text size="xs">{hint} It becomes empty.</Text>
        <Button
          size="compact-xs"
          variant="subtle"
          onClick={() => onValue(undefined)}
          aria-label={`Undo: ${label} nothing`}
        >
          Undo
        </Button>
      </Group>
    );
  }
  return (
    <Group gap="xs" align="flex-start" wrap="nowrap">
      <TextInput
        size="xs"
        flex={1}
        aria-label={label}
        placeholder={hint}
        value={text}
        error={text !== "" && code !== undefined && MESSAGES[code]}
        onChange={(event) => write(event.currentTarget.value)}
      />
      {column.nullable && (
        <Button
          size="compact-xs"
          mt={4}
          variant="subtle"
          onClick={() => onValue("")}
          aria-label={`Empty: ${label} nothing`}
        >
          Empty
        </Button>
      )}
    </Group>
  );
}
