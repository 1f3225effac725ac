/** What computations have in common, out of the way: consoles, limits, the image. */

import { Accordion, NativeSelect, Stack, Switch, Text, TextInput } from "@mantine/core";
import { memo, useState } from "react";

import { useDescribed } from "../../../app/queries";
import type { Limits } from "../../../core/records";
import styles from "./Computations.module.css";
import { LIMITS } from "./kinds";
import { LIMIT_FIELDS, type LimitField, readLimit, writeLimit } from "./limits";

interface Logs {
  logs_on_error: boolean;
  logs_on_success: boolean;
}

/** Whether analysts see the console. */
export function LogSettings({ node, change }: { node: Logs; change: (fields: Partial<Logs>) => void }) {
  return (
    <Stack gap="xs">
      <Switch
        label="Show the console where a run has failed"
        description="Otherwise analysts see places and classes of an error, and not its message: it could quote data."
        checked={node.logs_on_error}
        onChange={(event) => change({ logs_on_error: event.currentTarget.checked })}
      />
      <Switch
        label="Put the console into the result, as container.log"
        checked={node.logs_on_success}
        onChange={(event) => change({ logs_on_success: event.currentTarget.checked })}
      />
    </Stack>
  );
}

interface Run {
  image: string;
  limits: Limits;
}

/** Limits and the image. */
export const Advanced = memo(function Advanced({
  image,
  limits,
  change,
}: Run & { change: (fields: Partial<Run>) => void }) {
  const changed = LIMIT_FIELDS.filter(({ name }) => limits[name] !== LIMITS[name]).length;
  return (
    <Accordion variant="contained" order={2}>
      <Accordion.Item value="limits">
        <Accordion.Control>Limits and image{changed > 0 ? ` (${changed} changed)` : ""}</Accordion.Control>
        <Accordion.Panel>
          <Stack>
            <Text size="sm" c="dimmed">
              More than that ends a run with an error that names the limit. Installations bound what can be asked for.
            </Text>
            <div className={styles["fields"]}>
              {LIMIT_FIELDS.map((field) => (
                <LimitInput
                  key={`${field.name} ${limits[field.name]}`}
                  field={field}
                  value={limits[field.name]}
                  onChange={(value) => change({ limits: { ...limits, [field.name]: value } })}
                />
              ))}
            </div>
            <ImageSelect value={image} onChange={(wanted) => change({ image: wanted })} />
          </Stack>
        </Accordion.Panel>
      </Accordion.Item>
    </Accordion>
  );
});

function LimitInput({
  field,
  value,
  onChange,
}: {
  field: LimitField;
  value: number;
  onChange: (value: number) => void;
}) {
  const [text, setText] = useState(() => writeLimit(value, field.unit));
  const read = readLimit(text, field.unit);
  const whole = field.name === "cpus" || read === undefined || Number.isInteger(read);
  return (
    <TextInput
      label={field.label}
      description={field.about}
      value={text}
      error={read === undefined || !whole ? `For example ${writeLimit(LIMITS[field.name], field.unit)}` : undefined}
      onChange={(event) => setText(event.currentTarget.value)}
      onBlur={() => read !== undefined && whole && read !== value && onChange(read)}
    />
  );
}

function ImageSelect({ value, onChange }: { value: string; onChange: (image: string) => void }) {
  const { data } = useDescribed();
  const offered = [...new Set([value, ...(data?.images ?? []).map((image) => image.name)])];
  return (
    <NativeSelect
      label="Image"
      description="What is installed where it runs."
      maw={260}
      data={offered}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
    />
  );
}
