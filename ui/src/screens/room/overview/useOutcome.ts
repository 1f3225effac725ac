/** Finds out whether the data of a table is valid, where that takes little. */

import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";

import { useDatasets } from "../../../app/queries";
import type { Room } from "../../../client/room";
import { findings } from "../../../components/validation/findings";
import type { TableDataNode } from "../../../core/records";
import type { Job } from "./jobs";
import { reportQuery } from "./result/report";
import { useResult } from "./result/useResult";
import { useJobsOf } from "./useJobs";

/** Bytes of data whose validation is looked into unasked: with the report comes the table. */
const SMALL = 20_000_000;

/**
 * Fetches the report of a validation that this page has started, where the data is small: a fetch is an event that
 * everybody sees, and takes its time. Others are fetched when somebody wants to see them. What it says is remembered
 * with the run.
 */
export function useOutcome(room: Room, node: TableDataNode, manifest: string | undefined, job: Job | undefined): void {
  const jobs = useJobsOf(room);
  const { data: datasets } = useDatasets();
  const size = datasets?.find((dataset) => dataset.id === manifest)?.size;
  const wanted = job?.state === "finished" && job.fresh && size !== undefined && size <= SMALL;
  const { query } = useResult(room, node.id, job?.job ?? "", wanted);
  const archive = query.data?.archive;
  const report = useQuery(
    reportQuery(archive instanceof Error ? undefined : archive, `${room.id}/${node.id}/${job?.job}`),
  );
  const passed = report.data === undefined ? undefined : findings(report.data, [])?.passed;
  const id = job?.job;
  useEffect(() => {
    if (passed !== undefined && id !== undefined) {
      // Where nothing can be kept, it is known until the page is left.
      jobs.judge(node.id, id, passed).catch(() => undefined);
    }
  }, [jobs, node.id, id, passed]);
}
