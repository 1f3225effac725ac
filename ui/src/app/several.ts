/** Several rooms at once: each is asked for by itself, a few at a time, so that one that fails hides no other. */

import { type UseQueryResult, useQueries, useQueryClient } from "@tanstack/react-query";

import type { LiveStatus, Room } from "../client/room";
import { keys, roomQuery } from "./queries";
import { useClient } from "./session";

/** How many are asked for at a time. */
const AT_ONCE = 4;

/** Rooms by id; what isn't known yet is waited for. */
export function useSeveralRooms(ids: readonly string[]): ReadonlyMap<string, UseQueryResult<Room>> {
  const client = useClient();
  const next = useNext(ids.map((id) => keys.room(id)));
  const results = useQueries({
    queries: ids.map((id, at) => ({ ...roomQuery(client, id), enabled: next(at) })),
  });
  return new Map(ids.map((id, at) => [id, results[at] as UseQueryResult<Room>]));
}

/** The status of each of these rooms. */
export function useSeveralStatuses(rooms: readonly Room[]): ReadonlyMap<string, UseQueryResult<LiveStatus>> {
  const next = useNext(rooms.map((room) => keys.status(room.id)));
  const results = useQueries({
    queries: rooms.map((room, at) => ({
      queryKey: keys.status(room.id),
      queryFn: () => room.status(),
      enabled: next(at),
      staleTime: 30_000,
      refetchOnWindowFocus: false,
    })),
  });
  return new Map(rooms.map((room, at) => [room.id, results[at] as UseQueryResult<LiveStatus>]));
}

/** Which of the queries may be asked by now: those that were answered, and so many of the others. */
function useNext(all: readonly (readonly string[])[]): (at: number) => boolean {
  const queries = useQueryClient();
  const open = all.flatMap((key, at) => ((queries.getQueryState(key)?.status ?? "pending") === "pending" ? [at] : []));
  const first = new Set(open.slice(0, AT_ONCE));
  const waiting = new Set(open);
  return (at) => !waiting.has(at) || first.has(at);
}
