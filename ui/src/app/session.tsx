/** Who is there, and the one client that all screens use. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, use, useCallback, useMemo } from "react";

import { Client } from "../client/client";
import { Hub } from "../client/hub";
import { startMover } from "../client/mover";
import { IndexedDbStore, type Store } from "../client/store";
import { AuthorizationError } from "../core/errors";
import { loadAnew } from "./loadAnew";
import { Presence } from "./presence";

/** The hub that the page came from, as whoever its cookie says. */
export const hub = new Hub(location.origin, null);

/** Hears in which tab somebody else comes, or whoever is there leaves. */
export const presence = new Presence(loadAnew);

/** Somebody who has signed in, in this browser. */
export interface Session {
  email: string;
  client: Client;
  store: Store;
  /** Whether the user has said that an enclave without a trusted execution environment will do. */
  allowsSoftware: boolean;
  /** Says so, or takes it back. Everything is verified anew after that. */
  allowSoftware: (allow: boolean) => Promise<void>;
}

const SessionContext = createContext<Session | null>(null);

/** @throws Error It is used outside the pages of people who have signed in. */
export function useSession(): Session {
  const session = use(SessionContext);
  if (session === null) {
    throw new Error("Nobody has signed in.");
  }
  return session;
}

/** The client of whoever has signed in. */
export function useClient(): Client {
  return useSession().client;
}

/** A browser's way of working: one database and one worker, however often who is there changes. */
const shared = (() => {
  let opened: Promise<{ store: Store; mover: ReturnType<typeof startMover> }> | undefined;
  return () => {
    opened ??= IndexedDbStore.open().then((store) => ({ store, mover: startMover() }));
    return opened;
  };
})();

async function signedIn(): Promise<Omit<Session, "allowSoftware"> | null> {
  let email: string;
  try {
    email = await hub.account();
  } catch (error) {
    if (error instanceof AuthorizationError) {
      return null;
    }
    throw error;
  }
  presence.entered(email);
  const { store, mover } = await shared();
  const allowsSoftware = (await store.get("settings", "allow-software")) === true;
  const client = await Client.open({ hub, email, store, mover, allowSoftware: allowsSoftware });
  return { email, client, store, allowsSoftware };
}

/**
 * Finds out who is there.
 *
 * @returns A session; null where nobody has signed in; undefined while that is not known; or what has failed.
 */
export function useSigningIn(): { session: Session | null | undefined; error: Error | null; again: () => void } {
  const queries = useQueryClient();
  const { data, error, refetch } = useQuery({
    queryKey: ["session"],
    queryFn: signedIn,
    staleTime: Number.POSITIVE_INFINITY,
    // A client is no plain data.
    structuralSharing: false,
  });
  const allowSoftware = useCallback(
    async (allow: boolean): Promise<void> => {
      const { store } = await shared();
      await store.update("settings", "allow-software", () => allow);
      // What was said under another condition doesn't count any more, and nothing asks again as it was.
      queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== "session" });
      await queries.resetQueries({ queryKey: ["session"] });
    },
    [queries],
  );
  const session = useMemo(() => (data == null ? data : { ...data, allowSoftware }), [data, allowSoftware]);
  return { session, error, again: refetch };
}

export function SessionProvider({ session, children }: { session: Session; children: ReactNode }) {
  return <SessionContext value={session}>{children}</SessionContext>;
}
