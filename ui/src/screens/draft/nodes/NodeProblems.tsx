/** What is wrong with a node, beside it. */

import { Alert, List } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";

import { problems as problemsOf } from "../../../core/problems";
import type { Configuration } from "../../../core/records";

/** The problems of a draft by the ids of its nodes, each once. */
export function problemsByNode(configuration: Configuration): ReadonlyMap<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { node, message } of problemsOf(configuration)) {
    if (node !== undefined) {
      const before = found.get(node) ?? [];
      found.set(node, before.includes(message) ? before : [...before, message]);
    }
  }
  return found;
}

export function NodeProblems({ problems }: { problems: readonly string[] }) {
  return (
    problems.length > 0 && (
      <Alert
        color="red"
        variant="light"
        icon={<IconAlertTriangle aria-hidden />}
        title={problems.length === 1 ? "A problem to solve before publishing" : "Problems to solve before publishing"}
      >
        <List size="sm">
          {problems.map((problem) => (
            <List.Item key={problem}>{problem}</List.Item>
          ))}
        </List>
      </Alert>
    )
  );
}
