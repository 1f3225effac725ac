/**
 * The documents that results are shown in (src/preview), for Vite: each is one file with its script in it, because
 * within such a frame nothing may be fetched. The policy that they are served under names that script's digest; see
 * `cloister.hub.pages`.
 */

import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

import { build } from "vite";

const FRAMES = ["picture", "pdf"];
/** Letters and fonts that PDFs take for granted: the page around fetches them for the frame. */
const FOLDERS = ["cmaps", "standard_fonts"];
const PDFJS = join(import.meta.dirname, "..", "node_modules", "pdfjs-dist");

async function frame(name) {
  const entry = join(import.meta.dirname, "..", "src", "preview", `${name}.ts`);
  const [{ output }] = await build({
    configFile: false,
    logLevel: "error",
    build: {
      write: false,
      minify: true,
      target: "es2023",
      lib: { entry, formats: ["iife"], name: "preview", fileName: name },
    },
  });
  // Within strings and patterns, which is where they can stand, these mean the same.
  const script = output[0].code.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
  const head = '<meta charset="utf-8"><title>Preview of a result</title>';
  return `<!doctype html><html lang="en"><head>${head}</head><body><script>${script}</script></body></html>\n`;
}

/** As the hub serves them. */
function policy(html) {
  const script = html.slice(html.indexOf("<script>") + 8, html.lastIndexOf("</script>"));
  const digest = createHash("sha256").update(script).digest("base64");
  return `sandbox allow-scripts; default-src 'none'; script-src 'sha256-${digest}'; img-src blob:; frame-ancestors 'self'`;
}

export function frames() {
  return {
    name: "cloister-frames",
    configureServer(server) {
      server.middlewares.use("/preview", async (request, response, next) => {
        const path = new URL(request.url, "http://localhost").pathname.slice(1);
        const name = FRAMES.find((each) => path === `${each}.html`);
        if (name !== undefined) {
          const html = await frame(name);
          response.setHeader("Content-Type", "text/html; charset=utf-8");
          response.setHeader("Content-Security-Policy", policy(html));
          response.end(html);
        } else if (FOLDERS.includes(path.split("/")[0]) && /^\w+\/[\w.-]+$/.test(path)) {
          response.end(await readFile(join(PDFJS, path)));
        } else {
          next();
        }
      });
    },
    async generateBundle(options) {
      if (options.format !== "es") {
        return;
      }
      for (const name of FRAMES) {
        this.emitFile({ type: "asset", fileName: `preview/${name}.html`, source: await frame(name) });
      }
      for (const folder of FOLDERS) {
        for (const file of await readdir(join(PDFJS, folder))) {
          const source = await readFile(join(PDFJS, folder, file));
          this.emitFile({ type: "asset", fileName: `preview/${folder}/${file}`, source });
        }
      }
    },
  };
}
