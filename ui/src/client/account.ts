/**
 * An account of the hub that the page comes from: signing in, sessions, the password, API tokens. What a hub says about
 * accounts is its own word: nothing to verify, but that it has the form of an answer.
 */

import { AuthorizationError, ServerError } from "../core/errors";
import { type Hub, unlessGone } from "./hub";

/** How one may sign in. */
export interface Ways {
  password: boolean;
  /** What the provider of OpenID Connect is called, where there is one: browsers are sent to `PROVIDER`. */
  provider: string | null;
}

/** Where a browser is sent to sign in at the provider: a link, no request. */
export const PROVIDER = "/auth/provider";

/** A browser in which the account is signed in. Times are milliseconds since 1970. */
export interface SignedInBrowser {
  id: string;
  /** By what: `password`, `invitation` or `provider`. */
  means: string;
  /** What it called itself: whoever signed in has chosen these words. */
  browser: string;
  created: number;
  /** To a minute. */
  used: number;
  /** When it ends in any case. */
  expires: number;
  /** Whether it is this one. */
  current: boolean;
}

/** An API token that works. */
export interface TokenInfo {
  id: string;
  created: number;
  /** To a few minutes; null: never. */
  used: number | null;
  lastFour: string;
  description: string;
}

// --- coming and going ---

export async function ways(hub: Hub): Promise<Ways> {
  const { password, provider } = fields(await hub.get("/auth"));
  return { password: password === true, provider: provider === null ? null : text(provider) };
}

/**
 * Signs in, into a session that the browser keeps for the hub.
 *
 * @throws AuthorizationError Email and password don't fit together.
 * @throws Unavailable There were too many attempts; `retryAfter` says when the next one is allowed.
 */
export async function signIn(hub: Hub, email: string, password: string): Promise<void> {
  await hub.send("POST", "/auth/password", { email, password });
}

/**
 * Sets the password of this account by the token of a link, once, and signs in.
 *
 * @throws AuthorizationError The link doesn't work (any more), or is another account's.
 * @throws BadRequestError The password is too weak.
 */
export async function acceptInvitation(hub: Hub, token: string, email: string, password: string): Promise<void> {
  await hub.send("POST", "/auth/invitation", { token, email, password });
}

/** Ends this browser's session. One that has ended already is no error. */
export async function signOut(hub: Hub): Promise<void> {
  await ended(hub.send("DELETE", "/v1/session"));
}

/** Ends all sessions of the account, this one too. API tokens go on. */
export async function signOutEverywhere(hub: Hub): Promise<void> {
  await ended(hub.send("DELETE", "/v1/sessions"));
}

// --- sessions and the password ---

/** The account's sessions, the one used last first. */
export async function sessions(hub: Hub): Promise<SignedInBrowser[]> {
  return list(await hub.get("/v1/sessions"))
    .map((value) => {
      const { id, means, browser, created_at, used_at, expires_at, current } = fields(value);
      return {
        id: text(id),
        means: text(means),
        browser: text(browser),
        created: time(created_at),
        used: time(used_at),
        expires: time(expires_at),
        current: current === true,
      };
    })
    .sort((one, other) => other.used - one.used);
}

/** Ends one session. One that has ended already is no error. */
export async function endSession(hub: Hub, id: string): Promise<void> {
  await hub.send("DELETE", `/v1/sessions/${encodeURIComponent(id)}`).catch(unlessGone);
}

/**
 * Changes the password; other sessions end.
 *
 * @throws AuthorizationError The current one is another, or the account has none.
 * @throws BadRequestError The new one is too weak.
 */
export async function changePassword(hub: Hub, current: string, fresh: string): Promise<void> {
  await hub.send("PUT", "/v1/password", { current, new: fresh });
}

// --- API tokens ---

/** The account's API tokens, the newest first. */
export async function tokens(hub: Hub): Promise<TokenInfo[]> {
  return list(await hub.get("/v1/tokens"))
    .map((value) => {
      const { id, created_at, last_used_at, last_four, description } = fields(value);
      return {
        id: text(id),
        created: time(created_at),
        used: last_used_at === null ? null : time(last_used_at),
        lastFour: text(last_four),
        description: text(description),
      };
    })
    .sort((one, other) => other.created - one.created);
}

/** Makes another one. It is shown this once: the hub keeps its hash alone. */
export async function makeToken(hub: Hub, description: string): Promise<string> {
  return text(fields(await hub.send("POST", "/v1/tokens", { description }))["token"]);
}

/** Ends one; it stops working at once. One that has ended already is no error. */
export async function endToken(hub: Hub, id: string): Promise<void> {
  await hub.send("DELETE", `/v1/tokens/${encodeURIComponent(id)}`).catch(unlessGone);
}

async function ended(request: Promise<unknown>): Promise<void> {
  await request.catch((error: unknown) => {
    if (!(error instanceof AuthorizationError)) {
      unlessGone(error);
    }
  });
}

// --- the form of answers ---

function fields(value: unknown): Record<string, unknown> {
  return expected(typeof value === "object" && value !== null && !Array.isArray(value), value);
}

function list(value: unknown): unknown[] {
  return expected(Array.isArray(value), value);
}

function text(value: unknown): string {
  return expected(typeof value === "string", value);
}

function time(value: unknown): number {
  const at = Date.parse(text(value));
  return expected(Number.isFinite(at), at);
}

function expected<T>(holds: boolean, value: unknown): T {
  if (!holds) {
    throw new ServerError("That is not an answer of a hub about an account. Update the pages, or ask the operator.");
  }
  return value as T;
}
