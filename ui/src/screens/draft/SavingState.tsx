/** Whether the draft is kept, and what to do where it isn't. */

import { Alert, Button, Group, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";

import { useEnded } from "../../app/ended";
import { keys } from "../../app/queries";
import { Problem, wordsFor } from "../../components/Problem";
import { AuthorizationError } from "../../core/errors";
import { useDraft } from "../../drafts/useDraft";
import { useDuplicate } from "./useDuplicate";

export function SavingState() {
  const { id, saving, error, flush } = useDraft();
  const queries = useQueryClient();
  const duplicating = useDuplicate();
  const { ended, look } = useEnded();
  useEffect(() => {
    if (error instanceof AuthorizationError) {
      void look();
    }
  }, [error, look]);
  if (saving === "conflict") {
    return (
      <Alert color="yellow" role="alert" title="This draft was changed from somewhere else">
        <Text size="sm">
          What you change here is not kept any more. Keep what you see here as another draft; or leave it, and open anew
          what is kept.
        </Text>
        <Group mt="sm">
          <Button size="xs" loading={duplicating.isPending} onClick={() => duplicating.mutate()}>
            Keep mine as another draft
          </Button>
          <Button size="xs" variant="default" onClick={() => void queries.resetQueries({ queryKey: keys.draft(id) })}>
            Open anew
          </Button>
        </Group>
        {duplicating.error !== null && <Problem error={duplicating.error} />}
      </Alert>
    );
  }
  if (saving === "failed") {
    return (
      <Alert color="red" role="alert" title="Your last changes are not kept yet">
        <Text size="sm">
          {ended ? "Your session has ended: sign in again. What you have typed is still here." : wordsFor(error)}
        </Text>
        <Group mt="sm">
          <Button size="xs" onClick={() => void flush()}>
            Try again
          </Button>
        </Group>
      </Alert>
    );
  }
  return (
    <Text size="sm" c="dimmed" role="status">
      {saving === "saved" ? "Kept in your vault, where nobody else can read it" : "Keeping …"}
    </Text>
  );
}
