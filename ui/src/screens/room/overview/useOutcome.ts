/** Whether the data of a table is valid, as far as this page knows. */

import { useQuery } from "@tanstack/react-query";

import { useDatasets } from "../../../app/queries";
import type { Room } from "../../../client/room";
import { findings } from "../../../components/validation/findings";
import type { TableDataNode } from "../../../core/records";
import type { Job } from "./jobs";
import { reportQuery } from "./result/report";
import { useResult } from "./result/useResult";

/** Bytes of data whose validation is looked into unasked: with the report comes the table. */
const SMALL = 20_000_000;

/**
 * Fetches the report of a validation that this page has started, where the data is small: a fetch is an event that
 * everybody sees, and takes its time. Others are fetched when somebody wants to see them.
 */
export function useOutcome(
  room: Room,
  node: TableDataNode,
  manifest: string | undefined,
  job: Job | undefined,
): "valid" | "invalid" | undefined {
  const { data: datasets } = useDatasets();
  const size = datasets?.find((dataset) => dataset.id === manifest)?.size;
  const wanted = job?.state === "finished" && job.fresh && size !== undefined && size <= SMALL;
  const { query } = useResult(room, node.id, job?.job ?? "", wanted);
  const archive = query.data?.archive;
  const report = useQuery(
    reportQuery(archive instanceof Error ? undefined : archive, `${room.id}/${node.id}/${job?.job}`),
  );
  const found = report.data === undefined ? undefined : findings(report.data, []);
  return found === undefined ? undefined : found.passed ? "valid" : "invalid";
}
