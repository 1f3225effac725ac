/** Where a dataset is attached: as its owner's vault has noted, compared with what the rooms say. Pure. */

import type { Attachment, Definition, RoomStatus } from "../../core/records";

/** `gone`: it was removed, or never arrived there. `unknown`: the room couldn't be asked. */
export type Hold = "attached" | "stopped" | "gone" | "unknown";

export interface Held extends Attachment {
  hold: Hold;
  /** Of the room; null where it couldn't be asked. */
  title: string | null;
  /** Of the data node, or its id. */
  name: string;
}

/** What is known of a room by now. */
export interface Asked {
  definition: Definition;
  status: RoomStatus | undefined;
}

/** How each attachment stands; those that are gone are left out. */
export function held(
  dataset: { id: string; attached: readonly Attachment[] },
  rooms: (id: string) => Asked | undefined,
): Held[] {
  return dataset.attached
    .map(({ room, node }) => {
      const asked = rooms(room);
      return {
        room,
        node,
        hold: holdOf(dataset.id, node, asked?.status),
        title: asked?.definition.title ?? null,
        name: asked?.definition.nodes.find((each) => each.id === node)?.name ?? node,
      };
    })
    .filter(({ hold }) => hold !== "gone");
}

function holdOf(id: string, node: string, status: RoomStatus | undefined): Hold {
  if (status === undefined) {
    return "unknown";
  }
  if (!status.attached.some((each) => each.node === node && each.manifest === id)) {
    return "gone";
  }
  return status.stopped ? "stopped" : "attached";
}
