/** What a room's log tells of its nodes. Pure. */

import type { Event } from "../../../core/records";

/** When what is attached to a node was attached, and by whom; nothing, where the log was read before that. */
export function attachment(
  events: readonly Event[],
  node: string,
  manifest: string,
): { time: number; by: string } | undefined {
  const event = events.findLast(
    ({ body }) => body.type === "dataset_attached" && body.node === node && body.manifest === manifest,
  );
  return event === undefined ? undefined : { time: event.time, by: event.actor };
}

/** Bytes of a preview's quota that a user has used up. */
export function previewed(events: readonly Event[], node: string, user: string): number {
  return events
    .filter(({ actor }) => actor === user)
    .reduce((sum, { body }) => sum + (body.type === "result_fetched" && body.node === node ? (body.spent ?? 0) : 0), 0);
}
