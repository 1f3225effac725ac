/** How far an upload has come, how fast it is, and a way to end it. */

import { Button, Group, Progress, Stack, Text } from "@mantine/core";

import type { TransferProgress } from "../../client/progress";
import { bytes, duration } from "../format";

/** @param progress Null before anything has arrived. */
export function Transfer({ progress, onCancel }: { progress: TransferProgress | null; onCancel: () => void }) {
  const done = progress === null || progress.total === 0 ? 0 : (100 * progress.done) / progress.total;
  return (
    <Stack gap="xs">
      <Progress value={done} aria-label="Encrypted and stored" />
      <Group justify="space-between">
        <Text size="sm" role="status">
          {words(progress)}
        </Text>
        <Button size="xs" variant="default" onClick={onCancel}>
          Cancel
        </Button>
      </Group>
      <Text size="xs" c="dimmed">
        Parts are encrypted in this browser. If the page is closed, choose the same file again: what has arrived is not
        sent twice.
      </Text>
    </Stack>
  );
}

function words(progress: TransferProgress | null): string {
  if (progress === null) {
    return "Beginning …";
  }
  const { done, total, bytesPerSecond, secondsLeft } = progress;
  if (done >= total) {
    return `All ${bytes(total)} are stored. Attaching …`;
  }
  const speed = bytesPerSecond > 0 ? `, ${bytes(Math.round(bytesPerSecond))} a second` : "";
  const left = secondsLeft === null ? "" : `, ${duration(secondsLeft)} left`;
  return `${bytes(done)} of ${bytes(total)}${speed}${left}`;
}
