/** A preview: of which node, and how much of it. */

import { NativeSelect, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";

import { KINDS } from "../../../components/kinds";
import type { ById } from "./columns";
import { readLimit, writeLimit } from "./limits";
import { Advanced } from "./Settings";
import { readerOf, sourcesFor } from "./tree";
import type { FormProps } from "./useNode";

export function PreviewForm({ node, change, nodes }: FormProps<"preview"> & { nodes: ById }) {
  return (
    <Stack>
      <SourceSelect
        label="What it shows"
        description="Data as it was attached, or the result of a computation."
        reader={node}
        nodes={nodes}
        value={node.dependency}
        onChange={(dependency) => change({ dependency })}
      />
      <Quota key={node.quota_bytes} value={node.quota_bytes} onChange={(quota) => change({ quota_bytes: quota })} />
      <Advanced image={node.image} limits={node.limits} change={change} />
    </Stack>
  );
}

function Quota({ value, onChange }: { value: number; onChange: (quota: number) => void }) {
  const [text, setText] = useState(() => writeLimit(value, "bytes"));
  const read = readLimit(text, "bytes");
  return (
    <Stack gap={4}>
      <TextInput
        label="How much each analyst may fetch"
        description="Of results in all, as 1 MiB. What they have had before can be fetched again."
        w={320}
        value={text}
        error={read === undefined ? "For example 64 KiB" : undefined}
        onChange={(event) => setText(event.currentTarget.value)}
        onBlur={() => read !== undefined && read !== value && onChange(read)}
      />
      {value === 0 && (
        <Text size="sm" c="red">
          With 0 bytes nobody can fetch anything.
        </Text>
      )}
    </Stack>
  );
}

interface SourceSelectProps {
  label: string;
  description?: string;
  reader: FormProps<"preview" | "synthetic" | "match">["node"];
  nodes: ById;
  value: string;
  disabled?: boolean;
  onChange: (id: string) => void;
}

/** One of the nodes that a computation may read. */
export function SourceSelect({
  label,
  description,
  reader,
  nodes,
  value,
  disabled = false,
  onChange,
}: SourceSelectProps) {
  const sources = sourcesFor(nodes, readerOf(reader)).filter((each) => each.blocked === undefined || each.id === value);
  const known = nodes.has(value) ? [] : [{ value, label: value === "" ? "Choose one" : `${value} (not in the room)` }];
  const data = sources.map(({ id, kind, item }) => ({ value: id, label: `${item.label} (${KINDS[kind].label})` }));
  return (
    <NativeSelect
      label={label}
      description={description}
      maw={420}
      data={[...known, ...data]}
      disabled={disabled}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
    />
  );
}
