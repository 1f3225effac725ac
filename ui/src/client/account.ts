/** Signing in to the hub that the page comes from. What a hub says about accounts is its own word: nothing to verify. */

import type { Hub } from "./hub";

/** Signs in, into a session that the browser keeps for the hub. */
export async function signIn(hub: Hub, email: string, password: string): Promise<void> {
  await hub.send("POST", "/auth/password", { email, password });
}

/** Ends the session. */
export async function signOut(hub: Hub): Promise<void> {
  await hub.send("DELETE", "/v1/session");
}
