/** What a link of an invitation carries: behind the `#`, so that no server sees it on the way. */

export interface Invited {
  token: string;
  /** Whose account it is, says the link. The hub refuses it where that is another one's: what is shown here holds. */
  email: string;
}

const MAX_EMAIL = 320;

/** Null where it is no such link, or was cut off. */
export function readInvitation(fragment: string): Invited | null {
  const fields = new URLSearchParams(fragment.replace(/^#/, ""));
  const token = fields.get("token") ?? "";
  const email = fields.get("email") ?? "";
  return /^[!-~]{1,100}$/.test(token) && email !== "" && email.length <= MAX_EMAIL ? { token, email } : null;
}
