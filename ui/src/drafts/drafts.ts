/** The author's drafts in their vault: items `draft/<id>`. */

import type { Vault } from "../client/vault";
import { itemValue } from "../client/vault";
import { randomHex } from "../core/encoding";
import { NotFoundError } from "../core/errors";
import type { Item } from "../core/records";
import { type Draft, decodeDraft, encodeDraft } from "./draft";
import { forgetPublishing } from "./publishing";

/** A draft as the vault has it. */
export interface KeptDraft {
  id: string;
  draft: Draft;
  item: Item;
}

/** What can't be read, most likely because a newer release has written it. */
export interface UnreadableDraft {
  id: string;
  error: Error;
  item: Item;
}

/** All of them, the newest first. This browser sees those of others once it is admitted to the vault. */
export async function listDrafts(vault: Vault): Promise<(KeptDraft | UnreadableDraft)[]> {
  const found: (KeptDraft | UnreadableDraft)[] = [];
  for await (const item of vault.list("draft")) {
    const id = item.item.slice("draft/".length);
    try {
      found.push({ id, draft: decodeDraft(itemValue(item)), item });
    } catch (error) {
      found.push({ id, error: error as Error, item });
    }
  }
  const changed = (each: KeptDraft | UnreadableDraft): number => ("draft" in each ? each.draft.changed : 0);
  return found.sort((one, other) => changed(other) - changed(one));
}

/** Keeps a new draft; its id. */
export async function createDraft(vault: Vault, draft: Draft): Promise<string> {
  const id = randomHex();
  await vault.put(`draft/${id}`, encodeDraft(draft));
  return id;
}

/** @throws NotFoundError There is none of that id, or it was deleted. */
export async function loadDraft(vault: Vault, id: string): Promise<KeptDraft> {
  const item = /^[0-9a-f]{64}$/.test(id) ? await vault.read(`draft/${id}`) : undefined;
  if (item === undefined) {
    throw new NotFoundError("You have no such draft: it was deleted, or it is somebody else's.");
  }
  return { id, draft: decodeDraft(itemValue(item)), item };
}

/** Deletes it, unless it was changed from somewhere else since. */
export async function deleteDraft(vault: Vault, item: Item): Promise<void> {
  await vault.remove(item);
  await forgetPublishing(vault, item.item.slice("draft/".length));
}
