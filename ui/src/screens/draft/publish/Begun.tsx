/** What was begun before and whose end nobody has seen: a reload, or a hub that was away, in the middle of it. */

import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";

import { useClient } from "../../../app/session";
import { moment } from "../../../components/format";
import { Hex } from "../../../components/Hex";
import { Problem } from "../../../components/Problem";
import { giveUpPublishing, isCurrent, type KeptPublishing, resumePublishing } from "../../../drafts/publishing";
import { useDraft } from "../../../drafts/useDraft";
import { publishingKey, type UsedPublishing } from "./usePublishing";

export function Begun({ kept, publishing }: { kept: KeptPublishing; publishing: UsedPublishing }) {
  const { id, configuration } = useDraft();
  const client = useClient();
  const queries = useQueryClient();
  const resume = (): void => publishing.start((mine, draft, told) => resumePublishing(mine, draft, kept, told));
  const givingUp = useMutation({
    mutationFn: () => giveUpPublishing(client, id, kept),
    onSuccess: () => queries.invalidateQueries({ queryKey: publishingKey(id) }),
  });
  const { room, since } = kept.publishing;
  const busy = publishing.pending || publishing.room !== undefined || givingUp.isPending;
  return (
    <Alert color="yellow" title="Publishing this draft was begun, and not brought to an end">
      <Stack gap="sm">
        <Text size="sm" component="div">
          That was at {moment(since)}, as the room <Hex value={room} what="room id" />. Go on: if the room is there
          already, that makes no second one.
        </Text>
        {!isCurrent(kept.publishing, configuration) && (
          <Text size="sm">
            You have changed the draft since. What is gone on with is the draft as it was then. To publish it as it is
            now, give that up first.
          </Text>
        )}
        <Group>
          <Button onClick={resume} disabled={busy}>
            Go on publishing
          </Button>
          <Button variant="default" onClick={() => givingUp.mutate()} disabled={busy} loading={givingUp.isPending}>
            Give it up
          </Button>
        </Group>
        {givingUp.error !== null && <Problem error={givingUp.error} />}
      </Stack>
    </Alert>
  );
}
