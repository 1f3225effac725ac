/** What goes into a room: tables and files, and who provides them. */

import { Badge, Stack, Text, UnstyledButton } from "@mantine/core";
import { useDeferredValue, useMemo } from "react";

import { KINDS } from "../../../components/kinds";
import { type DataNode, isDataNode } from "../../../core/nodes";
import { useDraft } from "../../../drafts/useDraft";
import { problemsByNode } from "../nodes/NodeProblems";
import { useChosen } from "../nodes/useChosen";
import { AddData } from "./AddData";
import styles from "./Data.module.css";
import { DataHead } from "./DataHead";
import { TableForm } from "./TableForm";
import { TestDatum } from "./TestDatum";

export default function DataTab() {
  const { configuration } = useDraft();
  // What is typed is there at once; what is around it follows.
  const settled = useDeferredValue(configuration);
  const problems = useMemo(() => problemsByNode(settled), [settled]);
  const nodes = configuration.nodes.filter(isDataNode);
  const { chosen, choose } = useChosen("data", nodes);
  return (
    <div className={styles["columns"]}>
      <Stack gap="sm">
        <AddData onAdded={choose} />
        {nodes.length > 0 && (
          <nav aria-label="Data">
            <ul className={styles["names"]}>
              {nodes.map((node) => (
                <li key={node.id}>
                  <Name
                    node={node}
                    current={node.id === chosen?.id}
                    problems={problems.get(node.id)?.length ?? 0}
                    onChoose={choose}
                  />
                </li>
              ))}
            </ul>
          </nav>
        )}
      </Stack>
      {chosen === undefined ? (
        <Text c="dimmed">
          Nothing goes in yet. Add a table or a file, and say who provides it. Its content comes only once the room is
          published, encrypted for its enclave.
        </Text>
      ) : (
        <Stack key={chosen.id}>
          <DataHead node={chosen} problems={problems.get(chosen.id) ?? []} />
          {chosen.kind === "table_data" && <TableForm node={chosen} />}
          <TestDatum node={chosen} />
        </Stack>
      )}
    </div>
  );
}

interface NameProps {
  node: DataNode;
  current: boolean;
  problems: number;
  onChoose: (id: string) => void;
}

function Name({ node, current, problems, onChoose }: NameProps) {
  const { icon: Icon, label } = KINDS[node.kind];
  return (
    <UnstyledButton
      className={styles["name"]}
      aria-current={current ? "true" : undefined}
      onClick={() => onChoose(node.id)}
      title={node.name}
    >
      <Icon size={16} role="img" aria-label={label} className={styles["icon"]} />
      <span className={styles["path"]}>{node.name}</span>
      {problems > 0 && (
        <Badge size="sm" color="red" variant="light" aria-label={problems === 1 ? "1 problem" : `${problems} problems`}>
          {problems}
        </Badge>
      )}
    </UnstyledButton>
  );
}
