/** Says that the session has ended while its page is still open: nothing that is unsaved here is lost. */

import { Alert, Button, Group, Text } from "@mantine/core";
import { IconLogin2 } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useState } from "react";

import { AuthorizationError } from "../core/errors";
import { loadAnew } from "./loadAnew";
import { hub, useSession } from "./session";

export function SessionBanner() {
  const { email } = useSession();
  const queries = useQueryClient();
  const [ended, setEnded] = useState(false);
  const look = useCallback(async (): Promise<void> => {
    try {
      if ((await hub.account()) !== email) {
        // Somebody else has signed in meanwhile: nothing of this page is theirs.
        loadAnew();
      }
      setEnded(false);
    } catch (error) {
      setEnded(error instanceof AuthorizationError);
    }
  }, [email]);
  useEffect(() => {
    const refused = (error: unknown): void => {
      if (error instanceof AuthorizationError) {
        void look();
      }
    };
    const asked = queries
      .getQueryCache()
      .subscribe(({ type, query }) => type === "updated" && refused(query.state.error));
    const done = queries
      .getMutationCache()
      .subscribe(({ type, mutation }) => type === "updated" && refused(mutation?.state.error));
    return () => {
      asked();
      done();
    };
  }, [queries, look]);
  const again = useCallback(async (): Promise<void> => {
    await look();
    await queries.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== "session" });
  }, [queries, look]);
  useEffect(() => {
    // Whoever comes back to this tab may have come or gone without a tab that could tell.
    const looked = (): void => {
      if (!document.hidden) {
        void (ended ? again() : look());
      }
    };
    document.addEventListener("visibilitychange", looked);
    return () => document.removeEventListener("visibilitychange", looked);
  }, [ended, again, look]);
  return ended ? (
    <Alert color="yellow" role="alert" title="Your session has ended" icon={<IconLogin2 aria-hidden />}>
      <Text size="sm">Sign in again in another tab, then go on here: what isn't kept yet is still on this page.</Text>
      <Group mt="xs">
        <Button size="xs" component="a" href="/sign-in" target="_blank" rel="noreferrer">
          Sign in
        </Button>
        <Button size="xs" variant="default" onClick={() => void again()}>
          Go on
        </Button>
      </Group>
    </Alert>
  ) : null;
}
