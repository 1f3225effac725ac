/**
 * The audit log as text: one event a line, five comma-separated fields, no other commas. As `cloister.rooms.audit`.
 * Epoch milliseconds, participant, notes, action, detail.
 */

import { roomId } from "./definition";
import type { Event } from "./records";

/** What an event says to people. */
export interface Entry {
  notes: string;
  action: string;
  detail: string;
}

/** All events, a line each, every line ended by a newline. */
export function auditText(events: Iterable<Event>): string {
  return Array.from(events, (event) => `${auditLine(event)}\n`).join("");
}

/** One event, without the newline. */
export function auditLine(event: Event): string {
  const { notes, action, detail } = describe(event.body);
  return [String(event.time), event.actor, notes, action, detail].map(plain).join(",");
}

/** One event in words. */
export function describe(body: Event["body"]): Entry {
  switch (body.type) {
    case "published":
      return { notes: "Room has been published", action: "publish", detail: roomId(body.definition) };
    case "key_bound":
      return entry(`Device key has been bound to ${body.user} on the word of ${body.issuer}`, "bind key", body.key);
    case "key_unbound":
      return entry(`Device key of ${body.user} has ended`, "unbind key", body.key);
    case "dataset_attached":
      return entry(`Dataset has been attached to ${body.node}`, "attach dataset", body.manifest);
    case "dataset_removed":
      return entry(`Dataset has been removed from ${body.node}`, "remove dataset", body.manifest);
    case "dataset_fetched":
      return entry(`Dataset of ${body.node} has been fetched`, "fetch dataset", body.manifest);
    case "run_started": {
      const cost = body.epsilon === undefined ? "" : ` at the cost of epsilon ${general(body.epsilon)}`;
      return entry(`Computation ${body.node} has been started${cost}`, "start run", body.run);
    }
    case "run_finished":
      return entry(`Computation ${body.node} has finished`, "finish run", body.run);
    case "run_failed":
      return entry(`Computation ${body.node} has failed`, "fail run", body.run);
    case "run_voided":
      return entry(`Computation ${body.node} has ended without a result: ${body.reason}`, "void run", body.run);
    case "result_lost":
      return entry(`Result of ${body.node} has been reported lost`, "lose result", body.run);
    case "result_fetched": {
      const cost = body.spent === undefined ? "" : ` at the cost of ${body.spent} bytes of the quota`;
      return entry(`Result of ${body.node} has been fetched${cost}`, "fetch result", body.run);
    }
    case "log_read":
      return entry("Audit log has been retrieved", "read log", String(body.size));
    case "stopped":
      return entry("Room has been stopped", "stop", "");
    case "restored":
      return entry("The operator has restored an old copy of the log: events may be lost", "restore", body.restore);
  }
}

function entry(notes: string, action: string, detail: string): Entry {
  return { notes, action, detail };
}

/** As C's `%g` prints numbers: six significant digits. */
function general(value: number): string {
  const [digits = "", exponent = "0"] = value.toExponential(5).split("e");
  const power = Number(exponent);
  if (power < -4 || power >= 6) {
    const sign = power < 0 ? "-" : "+";
    return `${Number(digits)}e${sign}${String(Math.abs(power)).padStart(2, "0")}`;
  }
  return String(Number(value.toPrecision(6)));
}

/** Without commas, and without anything that ends a line or reorders it in some reader. */
function plain(field: string): string {
  return field.replace(/\p{C}|\p{Z}|,/gu, " ");
}
