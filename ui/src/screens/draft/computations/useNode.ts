/** Changing one computation of the open draft. */

import { useCallback } from "react";

import type { ComputeNode } from "../../../core/nodes";
import { nodeIn, putNode } from "../../../drafts/edits";
import { useDraft } from "../../../drafts/useDraft";
import type { Kind } from "./kinds";

export type NodeOf<K extends Kind> = Extract<ComputeNode, { kind: K }>;
/** Fields to change; what is undefined is taken out. */
export type Fields<K extends Kind> = { [Name in keyof Fused<NodeOf<K>>]?: Fused<NodeOf<K>>[Name] | undefined };
/** Changes fields of the computation as it is then, whatever was changed since it was shown. */
export type Change<K extends Kind> = (fields: Fields<K> | ((now: NodeOf<K>) => Fields<K>)) => void;

/** All fields that any of the kinds has. */
type Fused<N> = { [Name in N extends unknown ? keyof N : never]: N extends { [_ in Name]?: infer V } ? V : never };

export interface FormProps<K extends Kind> {
  node: NodeOf<K>;
  change: Change<K>;
}

export function useChange<K extends Kind>(id: string, kind: K): Change<K> {
  const { edit } = useDraft();
  return useCallback(
    (fields) =>
      edit((before) => {
        const now = nodeIn(before, id);
        if (now?.kind !== kind) {
          return before;
        }
        const same = now as NodeOf<K>;
        const changed = { ...same, ...(typeof fields === "function" ? fields(same) : fields) };
        const kept = Object.entries(changed).filter(([, value]) => value !== undefined);
        return putNode(Object.fromEntries(kept) as unknown as ComputeNode)(before);
      }),
    [edit, id, kind],
  );
}
