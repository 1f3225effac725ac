import { afterEach, beforeEach, expect, test } from "vitest";

import * as account from "../../src/client/account";
import { AuthorizationError, BadRequestError, ServerError, Unavailable } from "../../src/core/errors";
import { type Http, TestHub } from "../hub";

let hub: TestHub;
let answers: Record<string, Http>;
beforeEach(async () => {
  hub = await TestHub.start();
  answers = {};
  hub.instead = (method, path) => answers[`${method} ${path}`];
});
afterEach(() => hub.stop());

const ok = (body: object): Http => ({ status: 200, body });
const error = (status: number, message: string, headers = {}): Http => ({
  status,
  headers,
  body: { error: { code: "c", message } },
});
const NOTHING: Http = { status: 204, body: new Uint8Array() };
const SESSION = {
  id: "ab".repeat(16),
  email: "a@b.example",
  means: "password",
  browser: "<img src=x onerror=alert(1)>",
  created_at: "2026-11-20T10:00:00Z",
  used_at: "2026-11-21T10:00:00Z",
  expires_at: "2026-11-22T10:00:00Z",
  idle_seconds: 60,
  current: false,
};
const TOKEN = {
  id: "cd".repeat(16),
  created_at: "2026-11-20T10:00:00Z",
  last_used_at: null,
  last_four: "wxyz",
  description: "",
};

test("ways to sign in", async () => {
  answers["GET /auth"] = ok({ password: true, provider: null });
  expect(await account.ways(hub.client)).toEqual({ password: true, provider: null });
  answers["GET /auth"] = ok({ password: true, provider: "Example" });
  expect(await account.ways(hub.client)).toEqual({ password: true, provider: "Example" });
});

test("wrong credentials and too many attempts are told in the hub's words", async () => {
  answers["POST /auth/password"] = error(401, "They don't fit together.");
  await expect(account.signIn(hub.client, "a@b.example", "x")).rejects.toThrow("They don't fit together.");
  answers["POST /auth/password"] = error(429, "Too many.", { "Retry-After": "30" });
  const refused = await account.signIn(hub.client, "a@b.example", "x").catch((reason: unknown) => reason);
  expect(refused).toBeInstanceOf(Unavailable);
  expect((refused as Unavailable).retryAfter).toBe(30);
  // Attempts are never repeated without being asked for.
  expect(hub.asked.filter((each) => each === "POST /auth/password")).toHaveLength(2);
});

test("a link that was used, and a weak password", async () => {
  answers["POST /auth/invitation"] = error(401, "The link was used.");
  await expect(account.acceptInvitation(hub.client, "t", "a@b.example", "p")).rejects.toThrow(AuthorizationError);
  answers["POST /auth/invitation"] = error(400, "Too short.");
  await expect(account.acceptInvitation(hub.client, "t", "a@b.example", "p")).rejects.toThrow(BadRequestError);
});

test("logging out twice is no error", async () => {
  answers["DELETE /v1/session"] = NOTHING;
  answers["DELETE /v1/sessions"] = error(401, "Sign in.");
  await account.signOut(hub.client);
  await account.signOutEverywhere(hub.client);
  answers["DELETE /v1/session"] = error(503, "Away.");
  await expect(account.signOut(hub.client)).rejects.toThrow(Unavailable);
});

test("sessions and tokens, the latest first", async () => {
  answers["GET /v1/sessions"] = ok([SESSION, { ...SESSION, used_at: "2026-11-21T11:00:00Z", current: true }]);
  expect((await account.sessions(hub.client)).map(({ used, current }) => [used, current])).toEqual([
    [Date.parse("2026-11-21T11:00:00Z"), true],
    [Date.parse("2026-11-21T10:00:00Z"), false],
  ]);
  answers["GET /v1/tokens"] = ok([TOKEN, { ...TOKEN, created_at: "2026-11-21T10:00:00Z", last_four: "abcd" }]);
  expect((await account.tokens(hub.client)).map(({ lastFour, used }) => [lastFour, used])).toEqual([
    ["abcd", null],
    ["wxyz", null],
  ]);
});

test("a token is made and ended", async () => {
  answers["POST /v1/tokens"] = { status: 201, body: { id: "1", token: "secret" } };
  expect(await account.makeToken(hub.client, "laptop")).toBe("secret");
  answers["DELETE /v1/tokens/1"] = error(404, "None.");
  await account.endToken(hub.client, "1");
});

test.each([{}, [1], [null], [{ ...SESSION, created_at: "yesterday" }], [{ ...SESSION, browser: 5 }], "text"])(
  "what is no list of sessions is refused: %j",
  async (body) => {
    answers["GET /v1/sessions"] = ok(body as object);
    await expect(account.sessions(hub.client)).rejects.toThrow(ServerError);
  },
);
