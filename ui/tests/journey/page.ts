/** What a page has, without the page: gone with a reload, but for the database. */

import "fake-indexeddb/auto";

import { Client } from "../../src/client/client";
import { Hub } from "../../src/client/hub";
import type { Port } from "../../src/client/messages";
import { Mover } from "../../src/client/mover";
import { IndexedDbStore } from "../../src/client/store";
import type { Limits } from "../../src/core/records";
import { serve } from "../../src/worker/serve";

export const MIB = 1024 * 1024;
/** What a computation of these journeys may use. */
export const LIMITS: Limits = {
  memory_bytes: 512 * MIB,
  pids: 64,
  cpus: 1,
  wall_seconds: 60,
  output_bytes: 16 * MIB,
  output_files: 100,
  scratch_bytes: 16 * MIB,
  log_bytes: MIB,
};

/** Who goes on the journey, as the command line says: `node journey.js '{"url": ..., "token": ..., "email": ...}'`. */
export const given = JSON.parse(process.argv[2] ?? "") as {
  url: string;
  token: string;
  email: string;
  colleague: string;
};

/** Opens a page. */
export async function page(allowSoftware = true): Promise<{ client: Client; store: IndexedDbStore }> {
  const store = await IndexedDbStore.open();
  const { port1, port2 } = new MessageChannel();
  serve(port2 as unknown as Port, IndexedDbStore.open());
  [port1, port2].forEach((port) => port.start());
  const mover = new Mover(() => ({ port: port1 as unknown as Port, end: () => port1.close() }));
  const hub = new Hub(given.url, given.token);
  return { client: await Client.open({ hub, email: given.email, store, mover, allowSoftware }), store };
}

/** Writes what was seen as one line of JSON, and ends. */
export function tell(seen: object): void {
  process.stdout.write(`${JSON.stringify(seen)}\n`, () => process.exit(0));
}
