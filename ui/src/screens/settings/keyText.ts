/** Keys and ids as people compare them: groups of four. Pure. */

/** `9f86d081…` as `9f86 d081 …`. */
export function grouped(hex: string): string {
  return hex.replace(/(.{4})(?=.)/g, "$1 ");
}

/** What somebody has pasted or typed, without what doesn't count. */
export function plain(typed: string): string {
  return typed.replace(/[\s:-]/g, "").toLowerCase();
}
