/** How far a transfer has come, and how fast it is. */

/** What people who wait are shown. */
export interface TransferProgress {
  /** Bytes of plaintext that have arrived. */
  done: number;
  total: number;
  /** Over the last seconds; 0 where nothing has come yet. */
  bytesPerSecond: number;
  /** Null where nobody can say. */
  secondsLeft: number | null;
}

const WINDOW = 10_000;

/** Counts bytes as they arrive. */
export class Meter {
  readonly #total: number;
  readonly #now: () => number;
  readonly #samples: { at: number; done: number }[];
  #done = 0;

  /** @param now Milliseconds, of a clock that only goes forward. */
  constructor(total: number, now: () => number = () => performance.now()) {
    this.#total = total;
    this.#now = now;
    this.#samples = [{ at: now(), done: 0 }];
  }

  /** So many bytes more have arrived. */
  add(bytes: number): TransferProgress {
    this.#done += bytes;
    const sample = { at: this.#now(), done: this.#done };
    this.#samples.push(sample);
    while (this.#samples.length > 2 && (this.#samples[0]?.at ?? 0) < sample.at - WINDOW) {
      this.#samples.shift();
    }
    const oldest = this.#samples[0] ?? sample;
    const seconds = (sample.at - oldest.at) / 1000;
    const speed = seconds > 0 ? (sample.done - oldest.done) / seconds : 0;
    const left = speed > 0 ? (this.#total - this.#done) / speed : null;
    return { done: this.#done, total: this.#total, bytesPerSecond: speed, secondsLeft: left };
  }
}
