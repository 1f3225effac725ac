/** What all frames that show a file have in common: they are told once what to show, and ask for nothing. */

import type { Said, Shown } from "./messages";

/**
 * Waits for what is to be shown.
 *
 * @param show Shows it; what it raises is said as a failure.
 */
export function frame(show: (shown: Shown, port: MessagePort, say: (said: Said) => void) => Promise<void>): void {
  const look = new CSSStyleSheet();
  look.replaceSync(`
    html { color-scheme: light; background: white; }
    body { margin: 0; display: flex; min-height: 100vh; align-items: safe center; justify-content: safe center; }
    img { max-width: 100%; max-height: 100vh; object-fit: contain; }
    canvas { display: block; max-width: none; }
  `);
  document.adoptedStyleSheets = [look];
  addEventListener("message", ({ data, ports, source }: MessageEvent<Shown>) => {
    const [port] = ports;
    if (source !== parent || port === undefined) {
      return;
    }
    const say = (said: Said): void => port.postMessage(said);
    show(data, port, say).catch(() => say({ failed: true }));
  });
}
