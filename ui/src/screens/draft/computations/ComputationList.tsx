/** The computations of a draft, by kind, each with the number of its problems. */

import { Badge, Text, UnstyledButton } from "@mantine/core";
import { memo } from "react";

import { KINDS } from "../../../components/kinds";
import type { ComputeNode } from "../../../core/nodes";
import styles from "./Computations.module.css";
import { KINDS_OFFERED } from "./kinds";

interface Props {
  computations: readonly ComputeNode[];
  chosen: string | undefined;
  /** How many problems each has, by id. */
  problems: ReadonlyMap<string, readonly string[]>;
  onChoose: (id: string) => void;
}

export const ComputationList = memo(function ComputationList({ computations, chosen, problems, onChoose }: Props) {
  return (
    <nav aria-label="Computations" className={styles["names"]}>
      {KINDS_OFFERED.map((kind) => {
        const those = computations.filter((each) => each.kind === kind);
        return (
          those.length > 0 && (
            <section key={kind} aria-label={KINDS[kind].label}>
              <Text size="xs" c="dimmed" fw={600} px={8} pt={6}>
                {KINDS[kind].label}
              </Text>
              <ul>
                {those.map(({ id, name }) => (
                  <li key={id}>
                    <Row
                      id={id}
                      name={name}
                      current={id === chosen}
                      problems={problems.get(id)?.length ?? 0}
                      onChoose={onChoose}
                    />
                  </li>
                ))}
              </ul>
            </section>
          )
        );
      })}
    </nav>
  );
});

interface RowProps {
  id: string;
  name: string;
  current: boolean;
  problems: number;
  onChoose: (id: string) => void;
}

const Row = memo(function Row({ id, name, current, problems, onChoose }: RowProps) {
  return (
    <UnstyledButton
      className={styles["name"]}
      aria-current={current ? "true" : undefined}
      onClick={() => onChoose(id)}
      title={name}
    >
      <span className={styles["path"]}>{name}</span>
      {problems > 0 && (
        <Badge size="sm" color="red" variant="light" aria-label={problems === 1 ? "1 problem" : `${problems} problems`}>
          {problems}
        </Badge>
      )}
    </UnstyledButton>
  );
});
