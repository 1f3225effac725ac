/** What a browser calls itself, for people. Pure. */

const BROWSERS = [
  ["Edg/", "Edge"],
  ["OPR/", "Opera"],
  ["Firefox/", "Firefox"],
  ["Chrome/", "Chrome"],
  ["Safari/", "Safari"],
] as const;
const SYSTEMS = [
  ["Android", "Android"],
  ["iPhone", "iPhone"],
  ["iPad", "iPad"],
  ["Windows", "Windows"],
  ["Mac OS X", "macOS"],
  ["CrOS", "ChromeOS"],
  ["Linux", "Linux"],
] as const;

/** Whoever signed in has chosen the words: where they are none of a browser's, their beginning. */
export function browserWords(agent: string): string {
  const browser = BROWSERS.find(([part]) => agent.includes(part))?.[1];
  const system = SYSTEMS.find(([part]) => agent.includes(part))?.[1];
  if (browser === undefined) {
    return agent === "" ? "Unknown" : [...agent].slice(0, 60).join("");
  }
  return system === undefined ? browser : `${browser} on ${system}`;
}

const MEANS: Readonly<Record<string, string>> = {
  password: "by password",
  invitation: "by an invitation",
  provider: "at the provider",
};

export function meansWords(means: string): string {
  return Object.hasOwn(MEANS, means) ? (MEANS[means] ?? "") : "";
}
