/** What has kept somebody from signing in at the provider: words of the hub's in the page's address, for people. */

const WORDS: Readonly<Record<string, string>> = {
  expired:
    "That way in has run out: it took too long, was used already, or was begun in another browser. Start once more.",
  refused: "The provider didn't let you in, or you have broken it off there. Start once more.",
  unverified:
    "The provider doesn't vouch for your email address, or its domain is not allowed here. Ask whoever runs this hub.",
  unknown: "There is no account with your email address here. Ask whoever runs this hub for one.",
  elsewhere: "The account with your email address belongs to somebody else at the provider. Ask whoever runs this hub.",
  away: "The provider can't be reached at the moment. Try again in a minute.",
};

/** Null where there was no problem. A word that isn't known is never shown itself: whoever made the link chose it. */
export function problemWords(search: URLSearchParams): string | null {
  const word = search.get("problem");
  if (word === null) {
    return null;
  }
  return Object.hasOwn(WORDS, word) ? (WORDS[word] ?? null) : "Signing in at the provider has failed. Try again.";
}
