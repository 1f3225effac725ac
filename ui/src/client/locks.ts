/** Who is at work on what, among the pages of this browser. */

/** `navigator.locks`, as far as it is used: it knows of pages that are gone. */
export interface Locks {
  /** Does the work while nobody else has the lock. `ifAvailable`: with null where somebody has it now. */
  request<T>(name: string, options: { ifAvailable?: boolean }, work: (lock: object | null) => Promise<T>): Promise<T>;
}

/** Those of the browser. */
export const browserLocks: Locks = {
  request: async (name, options, work) => await navigator.locks.request(name, options, work),
};
