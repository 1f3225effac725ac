/** What went wrong, in the words that the error has for it, and what can be done here. */

import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { IconAlertTriangle, IconShieldX } from "@tabler/icons-react";

import { CloisterError, Unavailable, VerificationError } from "../core/errors";

/** The words for an error: ours are written for people; others are told as what they are. */
export function wordsFor(error: unknown): string {
  if (error instanceof CloisterError) {
    return error.message;
  }
  return `This page has made a mistake: ${error instanceof Error ? error.message : String(error)}`;
}

export function Problem({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const verification = error instanceof VerificationError;
  const title = verification
    ? "A check has failed: nothing was sent, nothing is shown"
    : error instanceof Unavailable
      ? "Not there at the moment"
      : "That did not work";
  return (
    <Alert
      color="red"
      role="alert"
      title={title}
      icon={verification ? <IconShieldX aria-hidden /> : <IconAlertTriangle aria-hidden />}
    >
      <Stack gap="sm">
        <Text size="sm">{wordsFor(error)}</Text>
        {onRetry !== undefined && (
          <Group>
            <Button size="xs" variant="default" onClick={onRetry}>
              Try again
            </Button>
          </Group>
        )}
      </Stack>
    </Alert>
  );
}
