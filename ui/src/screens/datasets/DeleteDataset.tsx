/** Deleting a dataset: what uses it, as the rooms say now, is shown before. */

import { Alert, Button, Checkbox, Group, List, Loader, Stack, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { keys, roomQuery } from "../../app/queries";
import { useClient } from "../../app/session";
import type { OwnDataset } from "../../client/datasets";
import { Dialog } from "../../components/Dialog";
import { Problem } from "../../components/Problem";
import { type Asked, type Held, held } from "./attachments";
import styles from "./Datasets.module.css";

export function DeleteDataset({ dataset, onClose }: { dataset: OwnDataset; onClose: () => void }) {
  const client = useClient();
  const queries = useQueryClient();
  const [sure, setSure] = useState(false);
  const using = useQuery({
    queryKey: ["using", dataset.id],
    // As the rooms say now, not as they have said.
    gcTime: 0,
    staleTime: 0,
    queryFn: async () => {
      const rooms = new Map<string, Asked>();
      for (const id of new Set(dataset.attached.map(({ room }) => room))) {
        try {
          const room = await queries.fetchQuery(roomQuery(client, id));
          rooms.set(id, { definition: room.definition, status: await room.status() });
        } catch {
          // A room that can't be asked counts as one that has it.
        }
      }
      return held(dataset, (id) => rooms.get(id)).filter(({ hold }) => hold !== "stopped");
    },
  });
  const deleting = useMutation({
    mutationFn: () => client.datasets.delete(dataset.id),
    onSuccess: onClose,
    onSettled: () => queries.invalidateQueries({ queryKey: keys.datasets }),
  });
  const free = using.data?.length === 0;
  return (
    <Dialog onClose={onClose} title="Delete this dataset?" size="lg">
      <Stack>
        <Text size="sm" className={styles["name"] ?? ""}>
          <b>{dataset.name}</b>: its key, its name and its ciphertext are deleted, for good.
        </Text>
        {using.isPending && (
          <Group gap="xs" role="status">
            <Loader size="xs" />
            <Text size="sm">Asking the rooms that it was attached to …</Text>
          </Group>
        )}
        {using.data !== undefined && !free && (
          <Alert color="red" title="Rooms are using it">
            <Stack gap="sm">
              <List size="sm">{using.data.map(place)}</List>
              <Text size="sm">
                Computations there that need it fail from now on. Take it out of the room first, where you can: then the
                room's log says so.
              </Text>
              <Checkbox
                label="Delete it all the same."
                checked={sure}
                onChange={(event) => setSure(event.currentTarget.checked)}
              />
            </Stack>
          </Alert>
        )}
        {deleting.error !== null && <Problem error={deleting.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose} data-autofocus>
            Cancel
          </Button>
          <Button color="red" disabled={!free && !sure} loading={deleting.isPending} onClick={() => deleting.mutate()}>
            Delete
          </Button>
        </Group>
      </Stack>
    </Dialog>
  );
}

function place({ room, node, title, name, hold }: Held) {
  return (
    <List.Item key={`${room}/${node}`}>
      {title ?? `The room ${room.slice(0, 12)}…`}, as {name}
      {hold === "unknown" && " (the room could not be asked)"}
    </List.Item>
  );
}
