/** Whether somebody is there who looks at the page. */

import { useEffect, useState } from "react";

/** Milliseconds after which nobody is taken to be there who hasn't moved. */
const AWAY = 10 * 60 * 1000;
const MOVES = ["pointermove", "pointerdown", "keydown", "wheel", "touchstart", "focus"] as const;

/**
 * Whether the page is seen, and was used within the last ten minutes: what asks the hub by itself asks only then. Else a
 * session that its user has left would never end for want of use.
 */
export function useAttention(): boolean {
  const [there, setThere] = useState(() => !document.hidden);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const away = (): void => setThere(false);
    const moved = (): void => {
      clearTimeout(timer);
      timer = setTimeout(away, AWAY);
      setThere(!document.hidden);
    };
    const looked = (): void => (document.hidden ? away() : moved());
    moved();
    document.addEventListener("visibilitychange", looked);
    for (const move of MOVES) {
      addEventListener(move, moved, { passive: true });
    }
    return () => {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", looked);
      for (const move of MOVES) {
        removeEventListener(move, moved);
      }
    };
  }, []);
  return there;
}
