/** The draft of the page that is open, for all of its tabs. */

import { createContext, type ReactNode, use, useEffect, useMemo, useSyncExternalStore } from "react";

import type { Configuration } from "../core/records";
import type { Draft } from "./draft";
import type { Edit } from "./edits";
import type { OpenDraft, Saving } from "./openDraft";

const DraftContext = createContext<OpenDraft | null>(null);

export interface UsedDraft {
  id: string;
  draft: Draft;
  configuration: Configuration;
  saving: Saving;
  /** Why it couldn't be saved. */
  error: unknown;
  edit: (edit: Edit) => void;
  setTest: (node: string, dataset: string | null) => void;
  flush: () => Promise<void>;
}

/** @throws Error It is used outside the page of a draft. */
export function useDraft(): UsedDraft {
  const open = use(DraftContext);
  if (open === null) {
    throw new Error("No draft is open.");
  }
  const { draft, saving, error } = useSyncExternalStore(open.subscribe, open.shown);
  // The same ones in each rendering: what is shown of a large draft needn't be drawn anew for them.
  const actions = useMemo(
    () => ({
      edit: (edit: Edit) => open.edit(edit),
      setTest: (node: string, dataset: string | null) => open.setTest(node, dataset),
      flush: () => open.flush(),
    }),
    [open],
  );
  return {
    id: open.id,
    draft,
    configuration: draft.configuration,
    saving,
    error,
    ...actions,
  };
}

export function DraftProvider({ open, children }: { open: OpenDraft; children: ReactNode }) {
  useEffect(() => {
    // Whoever leaves before it is saved is asked; whoever goes to another page has it saved.
    const ask = (event: BeforeUnloadEvent): void => {
      if (open.shown().saving !== "saved") {
        event.preventDefault();
        void open.flush();
      }
    };
    addEventListener("beforeunload", ask);
    return () => {
      removeEventListener("beforeunload", ask);
      void open.flush();
    };
  }, [open]);
  return <DraftContext value={open}>{children}</DraftContext>;
}
