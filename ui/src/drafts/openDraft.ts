/**
 * A draft that is being edited: changes are there at once, and kept in the vault soon after, one save at a time.
 * Nothing of it is written to this machine's disk.
 */

import type { Vault } from "../client/vault";
import { randomHex } from "../core/encoding";
import { BadRequestError } from "../core/errors";
import { type Draft, encodeDraft } from "./draft";
import type { KeptDraft } from "./drafts";
import type { Edit } from "./edits";

/** How far it is kept. `conflict`: it was changed from somewhere else; nothing more is saved until it is opened anew. */
export type Saving = "saved" | "unsaved" | "saving" | "conflict" | "failed";

export interface Shown {
  draft: Draft;
  saving: Saving;
  /** Why it couldn't be kept. */
  error: unknown;
}

/** Milliseconds without a change before it is saved. */
const PAUSE = 600;

export class OpenDraft {
  readonly id: string;
  readonly #vault: Vault;
  readonly #listeners = new Set<() => void>();
  #revision: string;
  #shown: Shown;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #saving: Promise<void> | undefined;
  /** The requests that have tried to replace the revision. One may have arrived, though no answer has come. */
  readonly #tried = new Map<Draft, string>();

  constructor(vault: Vault, { id, draft, item }: KeptDraft) {
    this.id = id;
    this.#vault = vault;
    this.#revision = item.revision;
    this.#shown = { draft, saving: "saved", error: null };
  }

  /** For `useSyncExternalStore`. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** For `useSyncExternalStore`: another object after each change. */
  readonly shown = (): Shown => this.#shown;

  /** Changes the configuration. */
  edit(edit: Edit): void {
    const { draft } = this.#shown;
    this.#change({ ...draft, configuration: edit(draft.configuration) });
  }

  /** Chooses the dataset that a data node is tested with, or none. */
  setTest(node: string, dataset: string | null): void {
    const { draft } = this.#shown;
    const { [node]: _before, ...others } = draft.tests;
    this.#change({ ...draft, tests: dataset === null ? others : { ...others, [node]: dataset } });
  }

  /** Saves what isn't yet, at once, and what is changed until that is done. What has gone wrong is shown. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    // Tried once more, however many wait for it.
    if (this.#shown.saving === "failed") {
      this.#saving = this.#save();
    }
    while (this.#shown.saving === "saving" || this.#shown.saving === "unsaved") {
      await this.#saving;
      // Somebody else who has waited may have begun it.
      if (this.#shown.saving === "unsaved") {
        this.#saving = this.#save();
      }
    }
  }

  #change(draft: Draft): void {
    const conflict = this.#shown.saving === "conflict";
    this.#show({ ...this.#shown, draft: { ...draft, changed: Date.now() }, saving: conflict ? "conflict" : "unsaved" });
    if (!conflict) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => void this.flush(), PAUSE);
    }
  }

  async #save(): Promise<void> {
    const { draft } = this.#shown;
    this.#show({ ...this.#shown, saving: "saving" });
    // What was changed meanwhile is saved by a timer of its own, or by whoever waits for all of it.
    const otherwise = (saving: Saving): Saving => (this.#shown.draft === draft ? saving : "unsaved");
    try {
      const kept = await this.#put(draft);
      this.#show({ ...this.#shown, saving: kept ? otherwise("saved") : "conflict", error: null });
    } catch (error) {
      this.#show({ ...this.#shown, saving: otherwise("failed"), error });
    }
  }

  /** Puts it in the place of what this page has put before; whether that is what was there. */
  async #put(draft: Draft): Promise<boolean> {
    const item = `draft/${this.id}`;
    // The same content is the same request: the enclave does it once, however often it hears of it.
    const request = this.#tried.get(draft) ?? randomHex();
    this.#tried.set(draft, request);
    for (;;) {
      try {
        this.#revision = await this.#vault.put(item, encodeDraft(draft), this.#revision, request);
        this.#tried.clear();
        return true;
      } catch (error) {
        if (!(error instanceof BadRequestError)) {
          throw error;
        }
        const there = (await this.#vault.read(item))?.revision;
        if (there === this.#revision) {
          // It was not refused for being too late.
          throw error;
        }
        if (there === undefined || ![...this.#tried.values()].includes(there)) {
          return false;
        }
        this.#revision = there;
      }
    }
  }

  #show(shown: Shown): void {
    this.#shown = shown;
    for (const listener of this.#listeners) {
      listener();
    }
  }
}
