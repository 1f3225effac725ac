/**
 * Shows pages of a PDF, as pixels: nothing that it holds runs, is followed, or is fetched. Letters and fonts that PDFs
 * take for granted come from the page around.
 */

import { GlobalWorkerOptions, getDocument, type PDFDocumentProxy } from "pdfjs-dist";
// In this very thread, which the browser keeps apart from the page around.
import "pdfjs-dist/build/pdf.worker.mjs";

import { frame } from "./frame";
import type { Said, Wish } from "./messages";

/** Of a canvas: four bytes each. */
const MOST_PIXELS = 25_000_000;
/** Of a page's text, for people who can't see it. */
const MOST_LETTERS = 20_000;

GlobalWorkerOptions.workerSrc = "none";

frame(async ({ label, content }, port, say) => {
  const waiting = new Map<string, (content: ArrayBuffer | null) => void>();
  class Asked {
    /** As pdf.js asks for what it needs. */
    async fetch({ kind, filename }: { kind: string; filename: string }): Promise<Uint8Array> {
      const file = `${kind === "standardFontDataUrl" ? "standard_fonts" : kind === "cMapUrl" ? "cmaps" : "none"}/${filename}`;
      const found = await new Promise<ArrayBuffer | null>((resolve) => {
        waiting.set(file, resolve);
        say({ wants: file });
      });
      if (found === null) {
        throw new Error("There is no such file.");
      }
      return new Uint8Array(found);
    }
  }
  let wished = Promise.resolve();
  port.onmessage = ({ data }: MessageEvent<Wish>) => {
    if ("file" in data) {
      waiting.get(data.file)?.(data.content);
      waiting.delete(data.file);
    } else {
      wished = wished.then(() => draw(data.draw, data.zoom)).catch(() => say({ failed: true }));
    }
  };
  const pdf: PDFDocumentProxy = await getDocument({
    data: new Uint8Array(content),
    isEvalSupported: false,
    enableXfa: false,
    // Letters are drawn as shapes: the browser's own reader of fonts never sees those of the file.
    disableFontFace: true,
    useSystemFonts: false,
    useWorkerFetch: false,
    useWasm: false,
    cMapPacked: true,
    maxImageSize: MOST_PIXELS,
    canvasMaxAreaInBytes: 4 * MOST_PIXELS,
    isOffscreenCanvasSupported: false,
    stopAtErrors: false,
    verbosity: 0,
    BinaryDataFactory: Asked,
  }).promise;

  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  document.body.append(canvas);

  async function draw(number: number, zoom: number): Promise<void> {
    const page = await pdf.getPage(number);
    const natural = page.getViewport({ scale: 1 });
    const fitting = Math.max(0.1, (innerWidth - 2) / natural.width) * zoom;
    const sharp = fitting * devicePixelRatio;
    const most = Math.sqrt(MOST_PIXELS / (natural.width * natural.height));
    const viewport = page.getViewport({ scale: Math.min(sharp, most) });
    canvas.width = Math.ceil(viewport.width);
    canvas.height = Math.ceil(viewport.height);
    canvas.style.width = `${natural.width * fitting}px`;
    await page.render({ canvas, viewport }).promise;
    say({ drawn: number, text: await textOf(page) });
    page.cleanup();
  }

  await draw(1, 1);
  say({ shown: true, pages: pdf.numPages } satisfies Said);
});

async function textOf(page: Awaited<ReturnType<PDFDocumentProxy["getPage"]>>): Promise<string> {
  const { items } = await page.getTextContent();
  const text = items.map((item) => ("str" in item ? item.str + (item.hasEOL ? "\n" : "") : "")).join("");
  return text.slice(0, MOST_LETTERS);
}
