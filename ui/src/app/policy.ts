/**
 * What the pages may load as a script at run time: their own workers, and nothing else. The hub's policy wants this
 * said (Trusted Types); what isn't said here is refused by the browser, HTML from texts above all.
 */

interface PolicyFactory {
  createPolicy(name: string, rules: { createScriptURL: (url: string) => string }): unknown;
}

const factory = (globalThis as { trustedTypes?: PolicyFactory }).trustedTypes;

factory?.createPolicy("default", {
  createScriptURL(url) {
    const { origin, pathname } = new URL(url, location.href);
    if (origin === location.origin && pathname.startsWith("/assets/")) {
      return url;
    }
    throw new TypeError("These pages start no scripts from elsewhere.");
  },
});
