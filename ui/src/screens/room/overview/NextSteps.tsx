/** What comes next for one participant, each with the button that does it. */

import { Alert, Button, Card, Group, Stack, Text, ThemeIcon, Title } from "@mantine/core";
import {
  IconAlertTriangle,
  IconChecks,
  IconEye,
  IconHourglass,
  IconPlayerPlay,
  IconProgress,
  IconUpload,
  type TablerIcon,
} from "@tabler/icons-react";

import type { DataNode } from "../../../core/nodes";
import styles from "./Overview.module.css";
import { type NextStep, words } from "./steps";

const LOOKS: Readonly<Record<NextStep["do"], { icon: TablerIcon; color: string }>> = {
  provide: { icon: IconUpload, color: "blue" },
  replace: { icon: IconAlertTriangle, color: "red" },
  look: { icon: IconEye, color: "green" },
  "run again": { icon: IconAlertTriangle, color: "red" },
  run: { icon: IconPlayerPlay, color: "blue" },
  watch: { icon: IconProgress, color: "gray" },
  wait: { icon: IconHourglass, color: "gray" },
};

export function NextSteps({
  user,
  stopped,
  steps,
  onProvide,
  onReplace,
  onRun,
  onLook,
}: {
  user: string;
  stopped: boolean;
  steps: readonly NextStep[];
  onProvide: (node: DataNode) => void;
  onReplace: (node: DataNode) => void;
  onRun: (node: string) => void;
  onLook: (node: string) => void;
}) {
  const act = (step: NextStep): { label: string; of: string; action: () => void } | null => {
    switch (step.do) {
      case "provide":
        return { label: "Provide data", of: step.node.name, action: () => onProvide(step.node) };
      case "replace":
        return { label: "Replace data", of: step.node.name, action: () => onReplace(step.node) };
      case "look":
        return { label: "Look at the result", of: step.node.name, action: () => onLook(step.node.id) };
      case "run":
        return { label: "Run", of: step.node.name, action: () => onRun(step.node.id) };
      case "run again":
        return { label: "Run again", of: step.node.name, action: () => onRun(step.node.id) };
      case "watch":
      case "wait":
        return null;
    }
  };
  return (
    <Stack component="section" aria-labelledby="next-steps" gap="sm">
      <Title order={2} size="h4" id="next-steps">
        Next steps
      </Title>
      {stopped ? (
        <Alert color="red" title="This room was stopped">
          Nothing can be provided, run or fetched any more. Its audit log stays, and data can still be removed.
        </Alert>
      ) : steps.length === 0 ? (
        <Group gap="xs">
          <ThemeIcon variant="light" color="green" size="sm">
            <IconChecks size={14} aria-hidden />
          </ThemeIcon>
          <Text>Nothing is left for you to do here.</Text>
        </Group>
      ) : (
        <Stack component="ul" gap="xs" m={0} p={0} className={styles["steps"]}>
          {steps.map((step) => {
            const { icon: Icon, color } = LOOKS[step.do];
            const action = act(step);
            return (
              <Card component="li" key={words(step, user)} withBorder py="xs" px="md">
                <Group justify="space-between" wrap="nowrap">
                  <Group gap="sm" wrap="nowrap">
                    <ThemeIcon variant="light" color={color}>
                      <Icon size={16} aria-hidden />
                    </ThemeIcon>
                    <Text size="sm" className={styles["name"]}>
                      {words(step, user)}
                    </Text>
                  </Group>
                  {action !== null && (
                    <Button
                      size="xs"
                      flex="none"
                      variant={["provide", "replace", "look"].includes(step.do) ? "filled" : "light"}
                      aria-label={`${action.label}: ${action.of}`}
                      onClick={action.action}
                    >
                      {action.label}
                    </Button>
                  )}
                </Group>
              </Card>
            );
          })}
        </Stack>
      )}
    </Stack>
  );
}
