/** Taking data out of a room, for good. */

import type { Room } from "../../../client/room";
import { confirmed } from "../../../components/confirm";
import type { DataNode } from "../../../core/nodes";

const WORDS =
  "The room loses the key of this dataset, and with it every result that was derived from it: nobody can fetch those " +
  "any more. What has been fetched stays with whoever has it, and the dataset stays among your own.";

/** @returns Whether it was removed: the user is asked first. */
export async function removed(room: Room, node: DataNode, then: "nothing" | "provide"): Promise<boolean> {
  const title = `Remove the data of ${node.name}?`;
  const action = then === "provide" ? "Remove, then provide other data" : "Remove";
  const sure = await confirmed({ title, words: WORDS, action });
  if (sure) {
    await room.removeDataset(node.id);
  }
  return sure;
}
