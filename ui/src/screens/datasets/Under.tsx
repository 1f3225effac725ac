/** Uploads and downloads that are under way, and how those have ended that nobody has put away. */

import { ActionIcon, Alert, Button, Group, Paper, Progress, Stack, Text } from "@mantine/core";
import { IconX } from "@tabler/icons-react";

import { bytes, duration } from "../../components/format";
import { wordsFor } from "../../components/Problem";
import styles from "./Datasets.module.css";
import { type Moving, transfers, useTransfers } from "./transfers";

export function Under() {
  const all = useTransfers();
  return all.length === 0 ? null : (
    <Stack component="section" gap="xs" aria-label="Transfers">
      {all.map((each) =>
        each.state === "running" ? <Running key={each.id} is={each} /> : <Over key={each.id} is={each} />,
      )}
    </Stack>
  );
}

function Running({ is: { id, kind, name, progress } }: { is: Moving }) {
  const part = progress === null || progress.total === 0 ? 0 : (100 * progress.done) / progress.total;
  return (
    <Paper withBorder p="sm">
      <Group justify="space-between" wrap="nowrap" align="flex-start">
        <Text size="sm" className={styles["name"] ?? ""}>
          {kind === "upload" ? "Encrypting and storing" : "Fetching and decrypting"} <b>{name}</b>
        </Text>
        <Button size="compact-xs" variant="default" aria-label={`Cancel ${name}`} onClick={() => transfers.cancel(id)}>
          Cancel
        </Button>
      </Group>
      <Progress value={part} my="xs" aria-label={`How much of ${name} is done`} />
      <Text size="sm" c="dimmed">
        {words(progress)}
      </Text>
    </Paper>
  );
}

function Over({ is: { id, kind, name, state, error } }: { is: Moving }) {
  const title =
    state === "done"
      ? `${kind === "upload" ? "Stored" : "Saved"}: ${name}`
      : `${state === "cancelled" ? "Cancelled" : "Failed"}: ${name}`;
  return (
    <Alert
      color={state === "done" ? "green" : state === "cancelled" ? "gray" : "red"}
      role={state === "failed" ? "alert" : "status"}
    >
      <Group justify="space-between" wrap="nowrap" align="flex-start">
        <div className={styles["name"]}>
          <Text size="sm" fw={600}>
            {title}
          </Text>
          {state === "failed" && <Text size="sm">{wordsFor(error)}</Text>}
          {state !== "done" && kind === "upload" && (
            <Text size="sm">Choose the same file again to go on: what has arrived of it is not sent twice.</Text>
          )}
        </div>
        <ActionIcon
          variant="subtle"
          color="gray"
          aria-label={`Put away: ${title}`}
          onClick={() => transfers.forget(id)}
        >
          <IconX size={16} />
        </ActionIcon>
      </Group>
    </Alert>
  );
}

function words(progress: Moving["progress"]): string {
  if (progress === null) {
    return "Beginning …";
  }
  const { done, total, bytesPerSecond, secondsLeft } = progress;
  const speed = bytesPerSecond > 0 ? `, ${bytes(Math.round(bytesPerSecond))} a second` : "";
  const left = secondsLeft === null ? "" : `, ${duration(secondsLeft)} left`;
  return `${bytes(done)} of ${bytes(total)}${speed}${left}`;
}
