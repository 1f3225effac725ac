/** Logging out: what is unsaved is kept first, and nothing that was decrypted stays in this page. */

import type { QueryClient } from "@tanstack/react-query";

import type { Hub } from "../client/hub";
import { OpenDraft } from "../drafts/openDraft";

/** @param end Ends the session, or all of them. */
export async function leave(hub: Hub, queries: QueryClient, end: (hub: Hub) => Promise<void>): Promise<void> {
  const open = queries.getQueriesData({ queryKey: ["draft"] }).map(([, data]) => data);
  await Promise.all(open.map((each) => (each instanceof OpenDraft ? each.flush() : undefined)));
  await end(hub);
  // A page that is loaded anew remembers nothing.
  location.replace("/sign-in");
}
