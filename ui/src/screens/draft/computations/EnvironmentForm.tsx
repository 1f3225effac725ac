/** A Python environment: what scripts bring along. */

import { Anchor, Group, Stack, Text } from "@mantine/core";

import { Editor } from "../../../components/editor/Editor";
import { wantedLines } from "../../../core/requirements";
import { useDraft } from "../../../drafts/useDraft";
import { Advanced } from "./Settings";
import type { FormProps } from "./useNode";

export function EnvironmentForm({ node, change }: FormProps<"python_environment">) {
  const { id, configuration } = useDraft();
  const users = configuration.nodes.filter((each) => each.kind === "python" && each.environment === node.id);
  const wanted = wantedLines(node.requirements).length;
  return (
    <Stack>
      <Stack gap={4}>
        <Editor
          name={`${id}/${node.id}/`}
          label="Requirements"
          language="text"
          value={node.requirements}
          // What was locked was locked for other requirements.
          onChange={(requirements) => change({ requirements, lock: [] })}
          placeholder="polars>=1"
          height="260px"
        />
        <Text size="sm" c="dimmed">
          One plain requirement a line, as in a requirements.txt; # begins a comment. Options, addresses and files are
          refused. There must be a wheel of everything, and its packages come before those of the image.
        </Text>
      </Stack>
      {node.lock.length > 0 ? (
        <Group gap="xs">
          <Text size="sm">{node.lock.length} packages are fixed, by version and hashes.</Text>
          <Anchor component="button" type="button" size="sm" onClick={() => change({ lock: [] })}>
            Look up the newest when it is published
          </Anchor>
        </Group>
      ) : (
        wanted > 0 && (
          <Text size="sm">The newest packages that fit are looked up, and fixed, when it is published.</Text>
        )
      )}
      <Text size="sm">
        {users.length === 0
          ? "No script uses it yet: choose it in a Python computation."
          : `Used by ${users.map((each) => each.name).join(", ")}.`}
      </Text>
      <Advanced image={node.image} limits={node.limits} change={change} />
    </Stack>
  );
}
