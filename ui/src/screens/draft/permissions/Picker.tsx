/** Some of many, by ticking: with a search, so that it stays usable with a hundred of them. */

import { Button, Checkbox, Group, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";

import styles from "./Permissions.module.css";

export interface Choice {
  value: string;
  label: string;
}

/** From so many on there is something to search. */
const MANY = 8;

export function Picker({
  title,
  choices,
  chosen,
  nothing,
  onChange,
}: {
  title: string;
  choices: readonly Choice[];
  chosen: readonly string[];
  /** Said where there is nothing to choose from. */
  nothing: string;
  onChange: (chosen: string[]) => void;
}) {
  const [search, setSearch] = useState("");
  const wanted = search.trim().toLocaleLowerCase();
  const shown = choices.filter(({ label }) => label.toLocaleLowerCase().includes(wanted));
  const values = shown.map(({ value }) => value);
  const all = values.every((value) => chosen.includes(value));
  return (
    <Stack gap="xs">
      <Group justify="space-between">
        <Text fw={600} size="sm">
          {title} ({chosen.length} of {choices.length})
        </Text>
        {shown.length > 1 && (
          <Button
            size="compact-xs"
            variant="default"
            onClick={() =>
              onChange(all ? chosen.filter((each) => !values.includes(each)) : [...new Set([...chosen, ...values])])
            }
          >
            {all ? "None" : "All"}
            {wanted === "" ? "" : " of these"}
          </Button>
        )}
      </Group>
      {choices.length > MANY && (
        <TextInput
          size="xs"
          type="search"
          aria-label={`Search: ${title}`}
          placeholder="Search"
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
        />
      )}
      {choices.length === 0 && <Text size="sm">{nothing}</Text>}
      <Checkbox.Group value={[...chosen]} onChange={onChange}>
        <Stack gap={6} className={styles["list"] ?? ""} role="group" aria-label={title}>
          {shown.map(({ value, label }) => (
            <Checkbox key={value} value={value} label={label} className={styles["names"] ?? ""} />
          ))}
        </Stack>
      </Checkbox.Group>
    </Stack>
  );
}
