/** Keeping what is shown as another draft, and going there. */

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "react-router";

import { keys } from "../../app/queries";
import { useClient } from "../../app/session";
import { createDraft } from "../../drafts/drafts";
import { useDraft } from "../../drafts/useDraft";

export const MAX_TITLE = 256;

export function useDuplicate() {
  const { id, draft, configuration, saving } = useDraft();
  const { vault } = useClient();
  const queries = useQueryClient();
  const navigate = useNavigate();
  return useMutation({
    mutationFn: async () => {
      const title = [...`Copy of ${configuration.title}`].slice(0, MAX_TITLE).join("");
      return await createDraft(vault, { ...draft, configuration: { ...configuration, title }, changed: Date.now() });
    },
    onSuccess: async (copy) => {
      await queries.invalidateQueries({ queryKey: keys.drafts });
      await navigate(`/drafts/${copy}`);
      if (saving === "conflict") {
        // Whoever comes back finds what is kept: what was here is in the copy.
        queries.removeQueries({ queryKey: keys.draft(id) });
      }
    },
  });
}
