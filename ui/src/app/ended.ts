/** Whether the session has ended while its page is still open. Whoever is refused has it looked at. */

import { useQuery } from "@tanstack/react-query";

import { AuthorizationError } from "../core/errors";
import { loadAnew } from "./loadAnew";
import { hub, useSession } from "./session";

/** `look` asks the hub anew. */
export function useEnded() {
  const { email } = useSession();
  const { data, refetch } = useQuery({
    queryKey: ["session", "ended"],
    queryFn: async () => {
      try {
        if ((await hub.account()) !== email) {
          // Somebody else has signed in meanwhile: nothing of this page is theirs.
          loadAnew();
        }
        return false;
      } catch (error) {
        return error instanceof AuthorizationError;
      }
    },
    initialData: false,
    staleTime: Number.POSITIVE_INFINITY,
  });
  return { ended: data, look: refetch };
}
