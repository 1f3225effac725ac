/** The report on a table, out of the result of its validation. */

import { queryOptions, skipToken } from "@tanstack/react-query";

import type { Archive } from "../../../../client/archive";

const REPORT = "validation-report.json";
/** Bytes: it lists so many errors at most. */
const MOST = 32 * 1024 * 1024;

/** @param id Tells archives apart. */
export function reportQuery(archive: Archive | undefined, id: string) {
  return queryOptions({
    queryKey: ["validation report", id],
    queryFn:
      archive === undefined
        ? skipToken
        : async ({ signal }) => read(archive.has(REPORT) ? await archive.text(REPORT, MOST, signal) : "null"),
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
  });
}

/** What can't be read shows as no report. */
function read(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
