/** So many at once and no more: for what would take all connections that a browser opens to one server. */

export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /**
   * Does `action` when its turn has come.
   *
   * @throws DOMException AbortError: the signal has come before that.
   */
  async use<T>(action: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#taken(signal);
    try {
      return await action();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) {
        this.#free += 1;
      } else {
        next();
      }
    }
  }

  async #taken(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const go = (): void => {
        signal?.removeEventListener("abort", stop);
        resolve();
      };
      const stop = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(go), 1);
        reject(signal?.reason);
      };
      this.#waiting.push(go);
      signal?.addEventListener("abort", stop, { once: true });
    });
  }
}
