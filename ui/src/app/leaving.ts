/** Logging out: what is unsaved is kept first, and nothing that was decrypted stays in this tab, or in another. */

import type { QueryClient } from "@tanstack/react-query";

import type { Hub } from "../client/hub";
import { openDrafts } from "./queries";
import { presence } from "./session";

/** @param end Ends the session, or all of them. */
export async function leave(hub: Hub, queries: QueryClient, end: (hub: Hub) => Promise<void>): Promise<void> {
  await Promise.all(openDrafts(queries).map((draft) => draft.flush()));
  await end(hub);
  presence.left();
  // A page that is loaded anew remembers nothing.
  location.replace("/sign-in");
}
