/**
 * Whose pages these are, as the tabs of a browser tell each other: they share one cookie, so whoever leaves in one tab
 * has left in all, and what others do from then on would be done as whoever has come.
 */

/** What the tabs call the place where they tell it. */
const NAME = "cloister/presence";

/** The email of who is signed in by now; null where whoever was has left. */
type Told = string | null;

export class Presence {
  readonly #tabs = new BroadcastChannel(NAME);
  #email: string | null = null;

  /** @param onGone It is somebody else's turn: nothing may stay on this page. */
  constructor(onGone: () => void) {
    this.#tabs.addEventListener("message", ({ data: told }: MessageEvent<Told>) => {
      // Whoever signs in again after their session has ended finds their other tabs as they were.
      if (this.#email !== null && told !== this.#email) {
        onGone();
      }
    });
  }

  /** This page is that user's, as the hub has just said. */
  entered(email: string): void {
    this.#email = email;
    this.#tell(email);
  }

  /** The user has logged out here. */
  left(): void {
    this.#tell(null);
  }

  /** This page tells and hears nothing any more. */
  close(): void {
    this.#tabs.close();
  }

  #tell(told: Told): void {
    this.#tabs.postMessage(told);
  }
}
