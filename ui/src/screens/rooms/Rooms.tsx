/** All clean rooms of the user: those that are published, and those that are being written. */

import { Anchor, Button, Paper, Stack, Text, Title } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";

import { useDevices } from "../../app/devices";
import { keys, useRooms } from "../../app/queries";
import { useClient } from "../../app/session";
import { useSeveralRooms, useSeveralStatuses } from "../../app/several";
import { Loaded, Page } from "../../components/Page";
import { Search } from "../../components/Search";
import type { RoomEntry } from "../../core/records";
import { type KeptDraft, listDrafts, type UnreadableDraft } from "../../drafts/drafts";
import { DraftTable } from "./DraftTable";
import { NewRoom } from "./NewRoom";
import { RoomTable } from "./RoomTable";
import { isIdOf, matches } from "./summary";

export function Component() {
  const { vault } = useClient();
  const [search, setSearch] = useState("");
  const [writing, setWriting] = useState(false);
  const entries = useRooms();
  const drafts = useQuery({ queryKey: keys.drafts, queryFn: () => listDrafts(vault), structuralSharing: false });
  const rooms = useSeveralRooms((entries.data ?? []).map(({ id }) => id));
  const known = [...rooms.values()].flatMap(({ data }) => (data === undefined ? [] : [data]));
  return (
    <Page
      title="Clean rooms"
      actions={
        <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setWriting(true)}>
          New clean room
        </Button>
      }
    >
      {writing && <NewRoom rooms={known} onClose={() => setWriting(false)} />}
      <Search label="Search for rooms and drafts" value={search} onChange={setSearch} />
      <Stack component="section" gap="xs" aria-labelledby="published">
        <Title order={2} size="h4" id="published">
          Published
        </Title>
        <Loaded query={entries}>{(all) => <Published all={all} rooms={rooms} search={search} />}</Loaded>
      </Stack>
      <Stack component="section" gap="xs" aria-labelledby="drafts">
        <Title order={2} size="h4" id="drafts">
          Drafts
        </Title>
        <Unlinked />
        <Loaded query={drafts}>{(all) => <Drafts all={all} search={search} />}</Loaded>
      </Stack>
    </Page>
  );
}

function Published({
  all,
  rooms,
  search,
}: {
  all: readonly RoomEntry[];
  rooms: ReturnType<typeof useSeveralRooms>;
  search: string;
}) {
  const { email } = useClient();
  const newest = [...all].sort((one, other) => other.created_at.localeCompare(one.created_at));
  const shown = newest.filter(({ id, owner }) => {
    const definition = rooms.get(id)?.data?.definition;
    return matches(search, definition?.title ?? "", definition?.description ?? "", owner) || isIdOf(search, id);
  });
  const statuses = useSeveralStatuses(shown.flatMap(({ id }) => rooms.get(id)?.data ?? []));
  if (all.length === 0) {
    return (
      <Nothing>
        Nobody has invited you to a room yet. Make one: describe the data and the computations, test them, and publish.
      </Nothing>
    );
  }
  const reading = all.some(({ id }) => rooms.get(id)?.isPending);
  return shown.length === 0 ? (
    <Nothing>{reading ? "None so far: some are still being read." : "No published room has these words."}</Nothing>
  ) : (
    <RoomTable entries={shown} rooms={rooms} statuses={statuses} email={email} />
  );
}

function Drafts({ all, search }: { all: readonly (KeptDraft | UnreadableDraft)[]; search: string }) {
  const shown = all.filter((each) => !("draft" in each) || matches(search, each.draft.configuration.title));
  if (all.length === 0) {
    return <Nothing>There are none. “New clean room” begins one: it is private to you until you publish it.</Nothing>;
  }
  return shown.length === 0 ? <Nothing>No draft has these words.</Nothing> : <DraftTable drafts={shown} />;
}

/** Why drafts of other devices aren't there. */
function Unlinked() {
  const { data } = useDevices();
  return data?.mine?.admitted === false ? (
    <Text size="sm">
      Drafts from your other devices are not shown: this browser isn't linked to your vault yet.{" "}
      <Anchor component={Link} to="/settings" size="sm" underline="always">
        How to link it
      </Anchor>
    </Text>
  ) : null;
}

function Nothing({ children }: { children: React.ReactNode }) {
  return (
    <Paper withBorder p="md">
      <Text size="sm" c="dimmed">
        {children}
      </Text>
    </Paper>
  );
}
