/** What a form does when it is submitted: once at a time, so that a double click doesn't do it twice. */

import { type FormEvent, useRef } from "react";

/** @param work What it does; it tells of a failure itself, as a mutation does. */
export function useSubmit(work: () => Promise<unknown>): (event: FormEvent) => void {
  // The state of a mutation comes with the next rendering: the second click may be there before.
  const busy = useRef(false);
  return (event) => {
    event.preventDefault();
    if (!busy.current) {
      busy.current = true;
      work()
        .catch(() => undefined)
        .finally(() => {
          busy.current = false;
        });
    }
  };
}
