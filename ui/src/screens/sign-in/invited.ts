/** What a link of an invitation carries: behind the `#`, so that no server sees it on the way. */

export interface Invited {
  token: string;
  /** Only shown: the hub knows whose link it is. */
  email: string;
}

const MAX_EMAIL = 320;

/** Null where it is no such link, or was cut off. */
export function readInvitation(fragment: string): Invited | null {
  const fields = new URLSearchParams(fragment.replace(/^#/, ""));
  const token = fields.get("token") ?? "";
  const email = fields.get("email") ?? "";
  return /^[!-~]{1,100}$/.test(token) ? { token, email: email.slice(0, MAX_EMAIL) } : null;
}
