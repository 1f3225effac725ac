/** What this browser remembers between visits: one small interface, kept in IndexedDB, or in memory for tests. */

import { type IDBPDatabase, openDB } from "idb";

/** What is kept together. */
export type Table = "devices" | "checkpoints" | "vaults" | "uploads" | "settings" | "jobs" | "tests";
const TABLES: readonly Table[] = ["devices", "checkpoints", "vaults", "uploads", "settings", "jobs", "tests"];

/**
 * Values by table and key. Values are what can be cloned structurally, device keys among them.
 *
 * What is read was written by this page or an older version of it: whoever reads checks it all the same.
 */
export interface Store {
  /** The value, or undefined. */
  get(table: Table, key: string): Promise<unknown>;
  /**
   * Puts what `change` makes of the value that is there (undefined where there is none), and returns what is kept. No
   * other page changes it meanwhile. `change` must not wait for anything; what it raises leaves all as it was.
   */
  update<T>(table: Table, key: string, change: (before: unknown) => T): Promise<T>;
  /** All keys that begin with `prefix`, with their values. */
  entries(table: Table, prefix: string): Promise<[string, unknown][]>;
  /** Removes all keys that begin with `prefix`. */
  remove(table: Table, prefix: string): Promise<void>;
}

/** In memory: forgotten with the page. */
export class MemoryStore implements Store {
  readonly #values = new Map<string, unknown>();

  async get(table: Table, key: string): Promise<unknown> {
    return structuredClone(this.#values.get(`${table}/${key}`));
  }

  async update<T>(table: Table, key: string, change: (before: unknown) => T): Promise<T> {
    const name = `${table}/${key}`;
    const after = change(structuredClone(this.#values.get(name)));
    this.#values.set(name, structuredClone(after));
    return after;
  }

  async entries(table: Table, prefix: string): Promise<[string, unknown][]> {
    const begin = `${table}/${prefix}`;
    const found = [...this.#values].filter(([name]) => name.startsWith(begin));
    return found.map(([name, value]) => [name.slice(table.length + 1), structuredClone(value)]);
  }

  async remove(table: Table, prefix: string): Promise<void> {
    for (const [key] of await this.entries(table, prefix)) {
      this.#values.delete(`${table}/${key}`);
    }
  }
}

/** In the browser's database, which pages of the same origin share. */
export class IndexedDbStore implements Store {
  readonly #database: IDBPDatabase;

  private constructor(database: IDBPDatabase) {
    this.#database = database;
  }

  static async open(name = "cloister"): Promise<IndexedDbStore> {
    const database = await openDB(name, 3, {
      upgrade: (fresh) =>
        TABLES.filter((table) => !fresh.objectStoreNames.contains(table)).forEach((table) =>
          fresh.createObjectStore(table),
        ),
      // A page of a newer release wants to change it: this one has to be loaded anew, that one must not wait for it.
      blocking: (_current, _blocked, event) => (event.target as IDBDatabase).close(),
    });
    return new IndexedDbStore(database);
  }

  async get(table: Table, key: string): Promise<unknown> {
    return await this.#database.get(table, key);
  }

  async update<T>(table: Table, key: string, change: (before: unknown) => T): Promise<T> {
    const transaction = this.#database.transaction(table, "readwrite");
    // Where `change` raises, the transaction is given up; that it ends so is no news.
    transaction.done.catch(() => undefined);
    const before = await transaction.store.get(key);
    let after: T;
    try {
      after = change(before);
      await transaction.store.put(after, key);
    } catch (error) {
      transaction.abort();
      throw error;
    }
    await transaction.done;
    return after;
  }

  async entries(table: Table, prefix: string): Promise<[string, unknown][]> {
    const transaction = this.#database.transaction(table);
    const range = within(prefix);
    const [keys, values] = await Promise.all([transaction.store.getAllKeys(range), transaction.store.getAll(range)]);
    return keys.map((key, at) => [String(key), values[at]]);
  }

  async remove(table: Table, prefix: string): Promise<void> {
    await this.#database.delete(table, within(prefix));
  }

  close(): void {
    this.#database.close();
  }
}

function within(prefix: string): IDBKeyRange {
  return IDBKeyRange.bound(prefix, `${prefix}\uffff`);
}
