/** Where somebody wanted to go before they had to sign in: a page of ours, never another address. */

const KEPT = "cloister/from";

/** The path that was come from, where it is one; else the first page. */
export function safePath(from: unknown): string {
  return typeof from === "string" && /^\/(?![/\\])[\w\-./~%]*$/.test(from) && !from.startsWith("/sign-in") ? from : "/";
}

/** Kept for this tab while it is at the provider, who brings it back to the first page. */
export function keepPath(from: string): void {
  sessionStorage.setItem(KEPT, from);
}

/** What was kept, once. */
export function takePath(): string | null {
  const from = sessionStorage.getItem(KEPT);
  sessionStorage.removeItem(KEPT);
  return from === null ? null : safePath(from);
}
