/** How editors look: in Mantine's variables, which reach into shadow roots, so that colour schemes change by themselves. */

import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import type { Extension } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { tags } from "@lezer/highlight";

const BORDER = "1px solid var(--mantine-color-default-border)";
const SURFACE = {
  backgroundColor: "var(--mantine-color-body)",
  color: "var(--mantine-color-text)",
};

const surface = EditorView.theme({
  "&": { ...SURFACE, height: "100%", fontSize: "var(--mantine-font-size-sm)" },
  "&.cm-focused": { outline: "2px solid var(--mantine-primary-color-filled)", outlineOffset: "-2px" },
  ".cm-scroller": { fontFamily: "var(--mantine-font-family-monospace)", lineHeight: "1.5", overflow: "auto" },
  ".cm-content": { caretColor: "var(--mantine-color-text)" },
  ".cm-cursor": { borderLeftColor: "var(--mantine-color-text)" },
  ".cm-placeholder": { color: "var(--mantine-color-dimmed)" },
  ".cm-gutters": { ...SURFACE, color: "var(--mantine-color-dimmed)", borderRight: BORDER },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--code-line)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "var(--code-selection)",
  },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "var(--code-match)", color: "inherit" },
  "&.cm-focused .cm-nonmatchingBracket": { backgroundColor: "transparent", color: "var(--mantine-color-error)" },
  ".cm-searchMatch": { backgroundColor: "var(--code-match)" },
  ".cm-searchMatch-selected": { backgroundColor: "var(--code-match-selected)" },
  ".cm-selectionMatch": { backgroundColor: "var(--code-line)" },
  ".cm-foldPlaceholder": { ...SURFACE, border: BORDER },
  ".cm-panels": { ...SURFACE, fontFamily: "var(--mantine-font-family)" },
  ".cm-panels-top": { borderBottom: BORDER },
  ".cm-panel.cm-search": { fontSize: "var(--mantine-font-size-sm)", padding: "6px" },
  ".cm-panel.cm-search label": { fontSize: "inherit" },
  ".cm-panel.cm-search [name=close]": { color: "inherit", fontSize: "18px", padding: "0 8px" },
  ".cm-textfield": { ...SURFACE, border: BORDER, borderRadius: "4px", fontSize: "inherit" },
  ".cm-button": {
    ...SURFACE,
    backgroundImage: "none",
    border: BORDER,
    borderRadius: "4px",
    fontSize: "inherit",
    "&:active": { backgroundImage: "none" },
  },
  ".cm-tooltip": { ...SURFACE, border: BORDER, borderRadius: "4px", overflow: "hidden" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": {
    backgroundColor: "var(--mantine-primary-color-filled)",
    color: "var(--mantine-color-white)",
  },
});

const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.modifier, tags.operatorKeyword], color: "var(--code-keyword)" },
  { tag: [tags.string, tags.special(tags.string), tags.regexp], color: "var(--code-string)" },
  { tag: [tags.comment, tags.meta], color: "var(--code-comment)" },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: "var(--code-number)" },
  { tag: [tags.function(tags.variableName), tags.definition(tags.variableName)], color: "var(--code-name)" },
  { tag: [tags.className, tags.typeName, tags.propertyName, tags.standard(tags.name)], color: "var(--code-type)" },
]);

export const looks: Extension = [surface, syntaxHighlighting(colours)];
