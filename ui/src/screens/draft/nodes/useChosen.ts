/** The node that is open in a tab: the one that the address names, else the one that was open there last. */

import { useCallback, useEffect } from "react";
import { useSearchParams } from "react-router";

import type { Node } from "../../../core/records";
import { useDraft } from "../../../drafts/useDraft";

/** Ids of nodes, by drafts and tabs, for as long as this page lives. */
const last = new Map<string, string>();

export function useChosen<N extends Node>(tab: string, nodes: readonly N[]) {
  const { id } = useDraft();
  const [parameters, setParameters] = useSearchParams();
  const place = `${id}/${tab}`;
  const named = parameters.get("node") ?? last.get(place);
  const chosen = nodes.find((each) => each.id === named) ?? nodes[0];
  useEffect(() => {
    if (chosen !== undefined) {
      last.set(place, chosen.id);
    }
  }, [place, chosen]);
  const choose = useCallback((node: string) => setParameters({ node }, { replace: true }), [setParameters]);
  return { chosen, choose };
}
