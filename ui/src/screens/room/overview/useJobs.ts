/** The runs of a room on its page: followed for as long as the page is there, whichever of its tabs is shown. */

import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";

import { keys } from "../../../app/queries";
import { useSession } from "../../../app/session";
import type { Room } from "../../../client/room";
import { type Job, Jobs } from "./jobs";

const known = new WeakMap<Room, Jobs>();

/** The runs of a room. */
export function useJobsOf(room: Room): Jobs {
  const { store, email } = useSession();
  let jobs = known.get(room);
  if (jobs === undefined) {
    jobs = new Jobs(room, store, email);
    known.set(room, jobs);
  }
  return jobs;
}

/** @returns What starts and ends runs, and the runs of now by node. */
export function useJobs(room: Room): { jobs: Jobs; current: ReadonlyMap<string, Job> } {
  const queries = useQueryClient();
  const jobs = useJobsOf(room);
  const current = useSyncExternalStore(jobs.subscribe, jobs.current);
  useEffect(() => {
    // Where nothing can be remembered, nothing was: what is started says so itself.
    jobs.recall().catch(() => undefined);
  }, [jobs]);
  // What has ended may have cost something.
  const ended = [...current.values()].filter((job) => job.state !== "waiting").length;
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is asked when that changes.
  useEffect(() => {
    void queries.invalidateQueries({ queryKey: keys.status(room.id) });
  }, [queries, room, ended]);
  return { jobs, current };
}
