/** Says that the session has ended while its page is still open: nothing that is unsaved here is lost. */

import { Alert, Button, Group, Text } from "@mantine/core";
import { IconLogin2 } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect } from "react";

import { AuthorizationError } from "../core/errors";
import { OpenDraft } from "../drafts/openDraft";
import { useEnded } from "./ended";
import { openDrafts } from "./queries";
import styles from "./SessionBanner.module.css";

export function SessionBanner() {
  const queries = useQueryClient();
  const { ended, look } = useEnded();
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
    if ((await look()).data) {
      return;
    }
    // Drafts are kept first, and not asked for anew: what they show may be nowhere else.
    await Promise.all(openDrafts(queries).map((draft) => draft.flush()));
    await queries.invalidateQueries({
      predicate: ({ queryKey, state }) => queryKey[0] !== "session" && !(state.data instanceof OpenDraft),
    });
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
    <div className={styles["banner"]}>
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
    </div>
  ) : null;
}
