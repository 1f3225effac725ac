import { afterEach, beforeEach, expect, test } from "vitest";

import { Identity, isEmail } from "../../src/client/identity";
import { Patience } from "../../src/client/patience";
import { AuthorizationError, BadRequestError } from "../../src/core/errors";
import { freshSigner } from "../enclave";
import { refusal, TestHub } from "../hub";
import { TestVault } from "../vault";

let hub: TestHub;
beforeEach(async () => {
  hub = await TestHub.start();
});
afterEach(() => hub.stop());

async function identity(): Promise<Identity> {
  return new Identity(hub.client, " A@b.example", await freshSigner(), new Patience([0], async () => undefined));
}

/** From now on the browser's session is somebody else's. */
function taken(): void {
  const before = hub.instead;
  hub.instead = (method, path) =>
    path === "/v1/me" ? { status: 200, body: { email: "c@d.example" } } : before(method, path);
}

test("addresses", async () => {
  expect((await identity()).email).toBe("a@b.example");
  expect(["a@b", "a b@c", "a@b,c", "@b", "a@"].map(isEmail)).toEqual([true, false, false, false, false]);
  const device = await freshSigner();
  expect(() => new Identity(hub.client, "nobody", device, new Patience([]))).toThrow(BadRequestError);
});

test("no token is asked for once somebody else has signed in, in another tab", async () => {
  const mine = await identity();
  expect(await mine.token()).toBe("a token");
  taken();
  await expect(mine.token()).rejects.toThrow(AuthorizationError);
  await expect(mine.token("ab".repeat(32))).rejects.toThrow("You are logged in as c@d.example, not as a@b.example.");
  expect(hub.asked.filter((each) => each === "POST /v1/identity")).toHaveLength(1);
});

test("a hub that is away for a moment is asked again", async () => {
  let times = 0;
  hub.instead = (_, path) => (path === "/v1/me" && times++ === 0 ? refusal(503, "away") : undefined);
  expect(await (await identity()).token()).toBe("a token");
});

test("a session that has ended is no token", async () => {
  const mine = await identity();
  hub.instead = (_, path) => (path === "/v1/me" ? refusal(401, "unauthorized") : undefined);
  await expect(mine.confirm()).rejects.toThrow(AuthorizationError);
});

test("nothing is uploaded in the name of somebody who has signed in meanwhile", async () => {
  const client = await new TestVault(hub).client();
  expect(await client.vault.trusted()).toBe(false);
  taken();
  await expect(client.datasets.upload(new Blob(["a secret"]), { name: "mine" })).rejects.toThrow("not as a@b.example");
  expect(hub.blobs.size).toBe(0);
});
