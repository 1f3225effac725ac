/** Publishing the draft that is open, once: the steps, and what comes after them. */

import { useIsMutating, useMutation, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";

import { keys } from "../../../app/queries";
import { useClient } from "../../../app/session";
import type { Client } from "../../../client/client";
import type { Room } from "../../../client/room";
import type { Step } from "../../../drafts/publishing";
import { useDraft } from "../../../drafts/useDraft";

/** Of the query that says what was begun, or done, for a draft. */
export function publishingKey(draft: string): readonly string[] {
  return ["publishing", draft];
}

/** Publishes, and tells of its steps. */
export type Publish = (client: Client, draft: string, told: (step: Step) => void) => Promise<Room>;

export interface UsedPublishing {
  /** Begins, unless it is on its way already. */
  start: (publish: Publish) => void;
  pending: boolean;
  /** Undefined where it was begun before this tab was opened. */
  step: Step | undefined;
  error: unknown;
  /** The room, once it is there. */
  room: Room | undefined;
}

export function usePublishing(): UsedPublishing {
  const { id, flush } = useDraft();
  const client = useClient();
  const queries = useQueryClient();
  const [step, setStep] = useState<Step>();
  const busy = useRef(false);
  const mutationKey = ["publish", id];
  const publishing = useMutation({
    mutationKey,
    mutationFn: async (publish: Publish) => {
      await flush();
      return await publish(client, id, setStep);
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: keys.rooms }),
    onError: async () => {
      await queries.invalidateQueries({ queryKey: keys.described });
      await queries.invalidateQueries({ queryKey: publishingKey(id) });
    },
    onSettled: () => {
      busy.current = false;
      setStep(undefined);
    },
  });
  const pending = useIsMutating({ mutationKey }) > 0;
  const start = (publish: Publish): void => {
    if (!busy.current && !pending) {
      busy.current = true;
      publishing.mutate(publish);
    }
  };
  return { start, pending, step, error: publishing.error, room: publishing.data };
}
