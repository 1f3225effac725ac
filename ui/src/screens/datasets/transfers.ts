/**
 * Uploads and downloads that are under way: they go on while their user looks at other pages, and end with the page.
 */

import { useSyncExternalStore } from "react";

import type { TransferProgress } from "../../client/progress";

export interface Moving {
  id: number;
  kind: "upload" | "download";
  name: string;
  /** Null before anything has arrived. */
  progress: TransferProgress | null;
  state: "running" | "done" | "cancelled" | "failed";
  error: unknown;
}

/** What is done: it tells how far it has come, and ends when the signal says so. */
export type Work = (options: {
  signal: AbortSignal;
  onProgress: (progress: TransferProgress) => void;
}) => Promise<void>;

class Transfers {
  readonly #listeners = new Set<() => void>();
  readonly #ends = new Map<number, AbortController>();
  #all: readonly Moving[] = [];
  #last = 0;

  /** For `useSyncExternalStore`. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** For `useSyncExternalStore`: another list after each change, the newest first. */
  readonly all = (): readonly Moving[] => this.#all;

  /** Begins; resolves when it is over, however it ended. */
  async run(kind: Moving["kind"], name: string, work: Work): Promise<void> {
    const id = ++this.#last;
    const end = new AbortController();
    this.#ends.set(id, end);
    this.#show([{ id, kind, name, progress: null, state: "running", error: null }, ...this.#all]);
    addEventListener("beforeunload", ask);
    try {
      await work({ signal: end.signal, onProgress: (progress) => this.#change(id, { progress }) });
      this.#change(id, { state: "done" });
    } catch (error) {
      this.#change(id, { state: end.signal.aborted ? "cancelled" : "failed", error });
    } finally {
      this.#ends.delete(id);
      if (this.#ends.size === 0) {
        removeEventListener("beforeunload", ask);
      }
    }
  }

  /** Breaks it off. */
  cancel(id: number): void {
    this.#ends.get(id)?.abort();
  }

  /** Takes what is over out of the list. */
  forget(id: number): void {
    this.#show(this.#all.filter((each) => each.id !== id));
  }

  #change(id: number, change: Partial<Moving>): void {
    this.#show(this.#all.map((each) => (each.id === id ? { ...each, ...change } : each)));
  }

  #show(all: readonly Moving[]): void {
    this.#all = all;
    for (const listener of this.#listeners) {
      listener();
    }
  }
}

/** Those of this page. */
export const transfers = new Transfers();

export function useTransfers(): readonly Moving[] {
  return useSyncExternalStore(transfers.subscribe, transfers.all);
}

function ask(event: BeforeUnloadEvent): void {
  event.preventDefault();
}
