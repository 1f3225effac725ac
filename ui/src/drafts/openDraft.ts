/**
 * A draft that is being edited: changes are there at once, and kept in the vault soon after, one save at a time.
 * Nothing of it is written to this machine's disk.
 */

import type { Vault } from "../client/vault";
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

  /** Saves what isn't yet, at once. What it raises is shown, too. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#saving;
    if (this.#shown.saving === "unsaved" || this.#shown.saving === "failed") {
      this.#saving = this.#save();
      await this.#saving;
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
    try {
      this.#revision = await this.#vault.put(`draft/${this.id}`, encodeDraft(draft), this.#revision);
      // What was changed meanwhile is saved by a timer of its own.
      const later = this.#shown.draft !== draft;
      this.#show({ ...this.#shown, saving: later ? "unsaved" : "saved", error: null });
    } catch (error) {
      const saving = error instanceof BadRequestError ? "conflict" : "failed";
      this.#show({ ...this.#shown, saving, error });
    }
  }

  #show(shown: Shown): void {
    this.#shown = shown;
    for (const listener of this.#listeners) {
      listener();
    }
  }
}
