/** How a run goes: each computation that it needs, and how it has ended. */

import { Alert, Badge, Button, Code, Group, List, Loader, Stack, Text, ThemeIcon } from "@mantine/core";
import { IconAlertTriangle, IconCheck, IconClock, IconDots, IconPlayerStop } from "@tabler/icons-react";

import { wordsFor } from "../../../components/Problem";
import { printable } from "../../../components/printable";
import type { Definition } from "../../../core/records";
import type { Job } from "./jobs";
import styles from "./Overview.module.css";
import { type AttachedData, stepsOf } from "./states";

const SHOWN: Record<"done" | "running" | "queued" | "waiting", string> = {
  done: "Done",
  running: "Running",
  queued: "Queued",
  waiting: "Waiting",
};

export function RunState({
  definition,
  job,
  attached,
  onCancel,
}: {
  definition: Definition;
  job: Job;
  attached: AttachedData;
  onCancel: () => void;
}) {
  if (job.state === "waiting") {
    const steps = stepsOf(definition, job.node, attached);
    return (
      <Stack gap="xs" role="group" aria-label="State of the run">
        <List spacing={4} size="sm" center listStyleType="none">
          {steps.map((node) => (
            <StepLine key={node.id} name={node.name} isTable={node.kind === "table_data"} job={job} id={node.id} />
          ))}
        </List>
        <Group>
          {job.away && (
            <Text size="sm" c="yellow" role="status">
              The hub can't be reached at the moment. The computation goes on; this page asks again by itself.
            </Text>
          )}
          <Button
            size="xs"
            variant="default"
            leftSection={<IconPlayerStop size={14} aria-hidden />}
            loading={job.ending}
            onClick={onCancel}
          >
            Cancel
          </Button>
        </Group>
      </Stack>
    );
  }
  if (job.state === "cancelled") {
    return (
      <Text size="sm" c="dimmed" role="status">
        Cancelled.
      </Text>
    );
  }
  return job.state === "failed" ? <Failure error={job.error} /> : null;
}

function StepLine({ name, isTable, job, id }: { name: string; isTable: boolean; job: Job; id: string }) {
  const step = job.steps.get(id);
  const anyKnown = job.steps.size > 0;
  // What isn't told of was computed before, once anything is told.
  const state = step === undefined ? (anyKnown ? "done" : "waiting") : stateOf(step.status);
  return (
    <List.Item icon={<StepIcon state={state} />}>
      <Group gap="xs">
        <Text size="sm">{isTable ? `Validation of ${name}` : name}</Text>
        <Badge size="sm" variant="light" color={state === "done" ? "green" : state === "running" ? "blue" : "gray"}>
          {step === undefined && state === "done" ? "There already" : SHOWN[state]}
        </Badge>
        {step !== undefined && step.waitingFor !== "" && (
          <Text size="xs" c="dimmed">
            waits for {step.waitingFor}
          </Text>
        )}
      </Group>
    </List.Item>
  );
}

function stateOf(status: string): keyof typeof SHOWN {
  return status === "finished" ? "done" : status === "running" ? "running" : status === "queued" ? "queued" : "waiting";
}

function StepIcon({ state }: { state: keyof typeof SHOWN }) {
  if (state === "running") {
    return <Loader size={16} aria-hidden />;
  }
  const [Icon, color] =
    state === "done"
      ? ([IconCheck, "green"] as const)
      : state === "queued"
        ? ([IconClock, "gray"] as const)
        : ([IconDots, "gray"] as const);
  return (
    <ThemeIcon size={18} radius="xl" variant="light" color={color}>
      <Icon size={12} aria-hidden />
    </ThemeIcon>
  );
}

/** Why there is no result: what the enclave lets this user know, and the console where the room's author wanted that. */
export function Failure({ error }: { error: unknown }) {
  const [said, ...console] = wordsFor(error).split("\n\nIts console:\n");
  return (
    <Alert color="red" role="alert" icon={<IconAlertTriangle aria-hidden />} title="It has ended without a result">
      <Stack gap="xs">
        <Text size="sm" className={styles["words"]}>
          {printable(said ?? "")}
        </Text>
        {console.length > 0 && (
          <Code block className={styles["console"]} tabIndex={0} role="region" aria-label="Console">
            {printable(console.join("\n\nIts console:\n"))}
          </Code>
        )}
      </Stack>
    </Alert>
  );
}
