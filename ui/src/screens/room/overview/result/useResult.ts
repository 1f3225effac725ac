/** A result: fetched, checked and decrypted once, and kept for as long as the page may show it. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { keys } from "../../../../app/queries";
import { Archive } from "../../../../client/archive";
import type { TransferProgress } from "../../../../client/progress";
import type { FetchedResult, Room } from "../../../../client/room";
import type { CloisterError } from "../../../../core/errors";
import { useJobsOf } from "../useJobs";

/** What came, and what is in it. */
export interface OpenedResult {
  fetched: FetchedResult;
  /** Or why it can't be looked into; it can be downloaded all the same. */
  archive: Archive | CloisterError;
}

/** Milliseconds that a result which nobody looks at is kept. */
const KEPT = 10 * 60_000;

/**
 * @param job The run that it is of.
 * @param enabled Whether it is to be fetched; otherwise it is what was fetched before.
 */
export function useResult(room: Room, node: string, job: string, enabled = true) {
  const jobs = useJobsOf(room);
  const queries = useQueryClient();
  const [again, setAgain] = useState(false);
  const [progress, setProgress] = useState<TransferProgress | null>(null);
  const query = useQuery({
    queryKey: ["result", room.id, node, job],
    queryFn: async ({ signal }): Promise<OpenedResult> => {
      const onRerun = async (fresh: string): Promise<void> => {
        setAgain(true);
        await jobs.replace(node, fresh);
      };
      const fetched = await room.result(node, job, { onTransfer: setProgress, onRerun, signal });
      // A fetch is an event, and may have used up some of a quota.
      void queries.invalidateQueries({ queryKey: keys.status(room.id) });
      const archive = await Archive.open(fetched.content).catch((error: CloisterError) => error);
      return { fetched, archive };
    },
    enabled,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: KEPT,
    structuralSharing: false,
    refetchOnWindowFocus: false,
  });
  return { query, progress, again };
}
