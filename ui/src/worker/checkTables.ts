/** The worker's side of `TableChecker`: reads and checks files beside the page. One thing after the other. */

import { type Port, packed } from "../client/messages";
import type { CheckOrder, CheckReport } from "../client/tableChecker";
import { detect } from "../tables/detect";
import { readStart, type Start } from "../tables/infer";
import { checkTable } from "../tables/prepare";

const NOTHING: Start = { header: null, records: [], rows: [], width: 0 };
/** Milliseconds between words of progress. */
const PAUSE = 100;

/** Does what whoever is at the other end of the port asks for. */
export function serveChecks(port: Port): void {
  const report = (message: CheckReport): void => port.postMessage(message);
  port.addEventListener("message", ({ data }) => {
    const order = data as CheckOrder;
    answer(order, report).catch((error: unknown) => report({ type: "failed", id: order.id, ...packed(error) }));
  });
}

async function answer(order: CheckOrder, report: (message: CheckReport) => void): Promise<void> {
  const { id, file } = order;
  if (order.type === "look") {
    const reading = order.reading ?? (await detect(file, order.names));
    const sheets = reading.kind === "excel" ? await sheetNames(file) : [];
    try {
      const start = await readStart(file, reading, order.most);
      report({ type: "seen", id, seen: { reading, sheets, start }, problem: null });
    } catch (error) {
      // Read in another way it may be all right: whoever looks can say so.
      report({ type: "seen", id, seen: { reading, sheets, start: NOTHING }, problem: packed(error) });
    }
    return;
  }
  let said = performance.now();
  const result = await checkTable(file, order.target, order.recipe, (progress) => {
    if (performance.now() - said >= PAUSE) {
      said = performance.now();
      report({ type: "progress", id, progress });
    }
  });
  report({ type: "checked", id, result });
}

async function sheetNames(file: Blob): Promise<string[]> {
  const { readSheets } = await import("../tables/excel");
  return (await readSheets(file)).map(({ name }) => name);
}
