/** The audit log as people look at it: numbered lines, and which of them fit what is looked for. */

import { describe } from "../../../core/audit";
import type { Event } from "../../../core/records";

/** One line. */
export interface Line {
  index: number;
  time: number;
  actor: string;
  /** What has happened, in words. */
  notes: string;
  action: string;
  /** The digest or id that it is about; empty where there is none. */
  detail: string;
}

/** All events as lines, in the order in which they happened. */
export function lines(events: readonly Event[]): Line[] {
  return events.map((event, index) => ({ index, time: event.time, actor: event.actor, ...describe(event.body) }));
}

/** What kinds of actions there are, in the order of the alphabet. */
export function actions(all: readonly Line[]): string[] {
  return [...new Set(all.map((line) => line.action))].sort();
}

/** Those lines that have all words somewhere, whatever their case, and are of that action where one is asked for. */
export function matching(all: readonly Line[], words: string, action: string | null): Line[] {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  return all.filter((line) => {
    if (action !== null && line.action !== action) {
      return false;
    }
    const text = `${line.actor} ${line.notes} ${line.detail}`.toLowerCase();
    return wanted.every((word) => text.includes(word));
  });
}
