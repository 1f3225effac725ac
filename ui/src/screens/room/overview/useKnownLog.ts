/** The room's log, where it was read already. To read it is an event of its own, which everybody sees: not done here. */

import { useQuery } from "@tanstack/react-query";

import { keys } from "../../../app/queries";
import type { Room } from "../../../client/room";
import type { ReadLog } from "../../../client/roomLog";

export function useKnownLog(room: Room): ReadLog | undefined {
  return useQuery<ReadLog>({ queryKey: keys.log(room.id), enabled: false, structuralSharing: false }).data;
}
