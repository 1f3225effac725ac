/** How far publishing has come, what has failed, and what comes after it. */

import { Button, Group, Loader, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "react-router";

import { keys } from "../../../app/queries";
import { useClient } from "../../../app/session";
import type { Room } from "../../../client/room";
import { Dialog } from "../../../components/Dialog";
import { Hex } from "../../../components/Hex";
import { Problem } from "../../../components/Problem";
import { deleteDraft, loadDraft } from "../../../drafts/drafts";
import type { Step } from "../../../drafts/publishing";
import { useDraft } from "../../../drafts/useDraft";
import type { UsedPublishing } from "./usePublishing";

const STEPS: Record<Step, string> = {
  completing: "The definition is completed: packages are looked up, and images fixed …",
  keeping: "The definition is kept in your vault, so that it is published once, whatever happens …",
  publishing: "The definition is encrypted and sent to the enclave …",
  noting: "It is there. That is noted in your vault …",
};

export function Steps({ publishing: { pending, step, error, room } }: { publishing: UsedPublishing }) {
  if (!pending && error === null && room === undefined) {
    return null;
  }
  return (
    <Stack gap="sm">
      {pending && (
        <Group gap="xs">
          <Loader size={18} aria-hidden />
          <Text size="sm" role="status">
            {step === undefined ? "It is being published …" : STEPS[step]}
          </Text>
        </Group>
      )}
      {error !== null && !pending && <Problem error={error} />}
      {room !== undefined && !pending && <Published room={room} />}
    </Stack>
  );
}

function Published({ room }: { room: Room }) {
  const { id } = useDraft();
  const { vault } = useClient();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const leave = async (): Promise<void> => {
    await navigate(`/rooms/${room.id}`);
  };
  const deleting = useMutation({
    mutationFn: async () => deleteDraft(vault, (await loadDraft(vault, id)).item),
    onSuccess: async () => {
      await leave();
      queries.removeQueries({ queryKey: keys.draft(id) });
      await queries.invalidateQueries({ queryKey: keys.drafts });
    },
  });
  return (
    <Dialog onClose={() => void leave()} title="The room is published" centered>
      <Stack>
        <Text size="sm" component="div">
          Its id is <Hex value={room.id} what="room id" />. Nothing in it can be changed any more.
        </Text>
        <Text size="sm">
          The draft is not needed for it. Keep it if you want to make another room like this one; nobody but you can
          read it.
        </Text>
        {deleting.error !== null && <Problem error={deleting.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={() => deleting.mutate()} loading={deleting.isPending}>
            Delete the draft, and go to the room
          </Button>
          <Button onClick={() => void leave()} disabled={deleting.isPending} data-autofocus>
            Keep it, and go to the room
          </Button>
        </Group>
      </Stack>
    </Dialog>
  );
}
