/** Data on its way into a room: consent first, then it is encrypted, stored and attached. */

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";

import { keys } from "../../app/queries";
import { useClient } from "../../app/session";
import type { Label } from "../../client/datasets";
import type { TransferProgress } from "../../client/progress";
import type { AttachOptions, Room } from "../../client/room";
import type { BoundKey } from "../../core/records";
import type { Content } from "../../tables/recipe";

/** What is to be attached. */
export type Provided = { content: Content; label: Label } | { dataset: string };

/** What the user is asked: whose keys these are. */
export interface Asked {
  keys: readonly BoundKey[];
  agree: (agreed: readonly BoundKey[]) => void;
  refuse: () => void;
}

/**
 * @param onAttached What was attached is there, and all that shows it knows.
 */
export function useProvision(room: Room, node: string, onAttached: () => void) {
  const client = useClient();
  const queries = useQueryClient();
  const [asked, setAsked] = useState<Asked | null>(null);
  const [progress, setProgress] = useState<TransferProgress | null>(null);
  const ending = useRef<AbortController | null>(null);
  const attaching = useMutation({
    mutationFn: async (provided: Provided) => {
      const controller = new AbortController();
      const { signal } = controller;
      ending.current = controller;
      setProgress(null);
      const options: AttachOptions = {
        onProgress: setProgress,
        signal,
        checkKeys: (bound) => consent(bound, signal, setAsked),
      };
      if ("dataset" in provided) {
        const uploaded = await client.datasets.get(provided.dataset);
        return await room.attach(node, uploaded, options.checkKeys);
      }
      return await room.upload(node, provided.content, provided.label, options);
    },
    onSettled: async () => {
      setAsked(null);
      await Promise.all(
        [keys.status(room.id), keys.datasets].map((queryKey) => queries.invalidateQueries({ queryKey })),
      );
    },
    onSuccess: onAttached,
  });
  const busy = attaching.isPending;
  useEffect(() => {
    if (!busy) {
      return undefined;
    }
    // Whoever leaves meanwhile is asked.
    const ask = (event: BeforeUnloadEvent): void => event.preventDefault();
    addEventListener("beforeunload", ask);
    return () => removeEventListener("beforeunload", ask);
  }, [busy]);
  // What nobody looks at any more ends.
  useEffect(() => () => ending.current?.abort(), []);
  const ended = attaching.error instanceof DOMException && attaching.error.name === "AbortError";
  return {
    start: (provided: Provided) => attaching.mutate(provided),
    cancel: () => ending.current?.abort(),
    asked,
    progress,
    busy,
    /** Null also where the user has ended it themselves. */
    error: ended ? null : attaching.error,
  };
}

/** Asks, and waits for the answer. @throws DOMException AbortError: the user has refused, or ended all of it. */
async function consent(
  bound: readonly BoundKey[],
  signal: AbortSignal,
  ask: (asked: Asked | null) => void,
): Promise<readonly BoundKey[]> {
  try {
    return await new Promise((resolve, reject) => {
      const refuse = (): void => reject(new DOMException("The data stays here.", "AbortError"));
      signal.addEventListener("abort", refuse);
      ask({ keys: bound, agree: resolve, refuse });
    });
  } finally {
    ask(null);
  }
}
