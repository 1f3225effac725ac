/** What the servers are asked, by name: screens share the answers. Whatever changes one of them invalidates it. */

import { type QueryClient, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";

import type { LiveStatus, Room } from "../client/room";
import { Unavailable } from "../core/errors";
import { loadDraft } from "../drafts/drafts";
import { OpenDraft } from "../drafts/openDraft";
import { useAttention } from "./attention";
import { useClient } from "./session";

/** Names of what is asked. */
export const keys = {
  rooms: ["rooms"],
  room: (id: string) => ["room", id],
  status: (id: string) => ["status", id],
  log: (id: string) => ["log", id],
  drafts: ["drafts"],
  draft: (id: string) => ["draft", id],
  datasets: ["datasets"],
  devices: ["devices"],
  trusted: ["trusted"],
  described: ["described"],
} as const;

/** Once known, it can't change. */
const FOREVER = { staleTime: Number.POSITIVE_INFINITY } as const;

/** The rooms that invite the user: ids and owners. */
export function useRooms() {
  const client = useClient();
  return useQuery({ queryKey: keys.rooms, queryFn: () => client.rooms() });
}

/** How a room is asked for: verified against its id and its enclave. */
export function roomQuery(client: ReturnType<typeof useClient>, id: string) {
  return {
    queryKey: keys.room(id),
    queryFn: () => client.retrieve(id),
    structuralSharing: false,
    ...FOREVER,
  } as const;
}

export function useRoom(id: string) {
  return useQuery(roomQuery(useClient(), id));
}

/** What has data, whether it was stopped, and whose keys are bound: as it is now, where `useLive` is somewhere above. */
export function useStatus(room: Room) {
  return useQuery({ queryKey: keys.status(room.id), queryFn: () => room.status() });
}

/** Keeps the room's status up to date for as long as somebody looks at the page: the enclave tells of changes. */
export function useLive(room: Room): void {
  const queries = useQueryClient();
  const { data } = useStatus(room);
  const seen = useAttention();
  const known = data !== undefined;
  useEffect(() => {
    if (!known || !seen) {
      return;
    }
    const ended = new AbortController();
    const key = keys.status(room.id);
    const watch = async (): Promise<void> => {
      while (!ended.signal.aborted) {
        const size = queries.getQueryData<LiveStatus>(key)?.size ?? 0;
        try {
          queries.setQueryData(key, await room.statusAfter(size, ended.signal));
        } catch (error) {
          // Whoever is away for a while is asked again: the pauses of that lie behind us.
          if (!(error instanceof Unavailable)) {
            throw error;
          }
        }
      }
    };
    watch().catch(() => {
      // What it was is shown where the status is.
      if (!ended.signal.aborted) {
        void queries.invalidateQueries({ queryKey: key });
      }
    });
    return () => ended.abort();
  }, [queries, room, seen, known]);
}

/** The enclave, proven. */
export function useTrusted() {
  const client = useClient();
  return useQuery({ queryKey: keys.trusted, queryFn: () => client.trusted() });
}

/** What the enclave offers to new rooms. */
export function useDescribed() {
  const client = useClient();
  return useQuery({ queryKey: keys.described, queryFn: () => client.describe(), staleTime: 60_000 });
}

/** A draft, opened for editing: the same one for as long as it is used, so that nothing is lost between tabs. */
export function useOpenDraft(id: string) {
  const { vault } = useClient();
  return useQuery({
    queryKey: keys.draft(id),
    queryFn: async () => new OpenDraft(vault, await loadDraft(vault, id)),
    structuralSharing: false,
    ...FOREVER,
  });
}

/** The drafts that were opened in this tab. */
export function openDrafts(queries: QueryClient): OpenDraft[] {
  const all = queries.getQueriesData({ queryKey: ["draft"] });
  return all.flatMap(([, data]) => (data instanceof OpenDraft ? [data] : []));
}

/** The user's datasets, the newest first. */
export function useDatasets() {
  const client = useClient();
  return useQuery({ queryKey: keys.datasets, queryFn: () => client.datasets.all() });
}
