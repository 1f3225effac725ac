/** Rows that repeat another one: of as many as a browser can well remember. Beyond that it is left to the enclave. */

/** Rows that are remembered of all combinations of columns together, and their characters. */
const [MOST_ROWS, MOST_CHARACTERS] = [4_000_000, 100_000_000];

/** What was seen of one combination of columns. */
export class Seen {
  readonly #texts = new Set<string>();
  readonly #most: number;
  #room: number;

  /** @param combinations How many there are, which share what can be remembered. */
  constructor(combinations: number) {
    this.#most = MOST_ROWS / combinations;
    this.#room = MOST_CHARACTERS / combinations;
  }

  /** Whether it remembers no more. */
  get full(): boolean {
    return this.#texts.size >= this.#most || this.#room <= 0;
  }

  /** Whether this is there already. From now on it is, unless it is full. */
  has(text: string): boolean {
    if (this.#texts.has(text)) {
      return true;
    }
    if (!this.full) {
      this.#texts.add(text);
      this.#room -= text.length;
    }
    return false;
  }
}
