/** What an editor is made of. */

import {
  autocompletion,
  type CompletionContext,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyField, historyKeymap, indentWithTab } from "@codemirror/commands";
import { bracketMatching, foldGutter, foldKeymap, indentOnInput, indentUnit } from "@codemirror/language";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { EditorState, type Extension } from "@codemirror/state";
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  keymap,
  lineNumbers,
  placeholder,
} from "@codemirror/view";

import { UNSEEN } from "../../core/unseen";
import { complete, type Known } from "./completions";
import { type Language, support } from "./languages";
import { looks } from "./looks";

export interface Setup {
  language: Language;
  readOnly: boolean;
  label: string;
  /** Id of the element, in the same shadow root, that tells how to leave the editor. */
  describedBy: string;
  placeholder: string;
  /** What can be completed at the moment. */
  known: () => Known;
  /** Somebody has changed the text. */
  changed: (text: string) => void;
}

export function extensions({ language, readOnly, label, describedBy, known, changed, ...more }: Setup): Extension {
  // The same one for as long as the editor is there: by that its answers are told from those of others.
  const offers = [{ autocomplete: (context: CompletionContext) => complete(language, known(), context) }];
  return [
    lineNumbers(),
    foldGutter(),
    history(),
    search({ top: true }),
    // Characters that can't be seen are shown: a script must not hold what its readers can't read.
    highlightSpecialChars({ addSpecialChars: new RegExp(UNSEEN, "gu") }),
    drawSelection(),
    bracketMatching(),
    highlightSelectionMatches(),
    support(language),
    looks,
    EditorView.lineWrapping,
    EditorView.contentAttributes.of({
      "aria-label": label,
      ...(readOnly ? { "aria-readonly": "true" } : { "aria-describedby": describedBy }),
    }),
    keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...foldKeymap]),
    readOnly
      ? EditorState.readOnly.of(true)
      : [
          indentOnInput(),
          indentUnit.of(language === "python" ? "    " : "  "),
          closeBrackets(),
          highlightActiveLine(),
          highlightActiveLineGutter(),
          autocompletion(),
          placeholder(more.placeholder),
          keymap.of([...completionKeymap, indentWithTab]),
          EditorState.languageData.of(() => offers),
          EditorView.updateListener.of((update) => {
            if (update.docChanged && !update.transactions.some((each) => each.isUserEvent(ELSEWHERE))) {
              changed(update.state.doc.toString());
            }
          }),
        ],
  ];
}

/** What marks changes that weren't made in the editor. */
export const ELSEWHERE = "input.elsewhere";

/** How editors were left: their texts, what was undone, where the cursor was. Never anywhere but in memory. */
const left = new Map<string, unknown>();
const MOST = 100;
const FIELDS = { history: historyField };

/** Remembers how an editor is left. */
export function leave(key: string, state: EditorState): void {
  left.delete(key);
  left.set(key, state.toJSON(FIELDS));
  const [oldest] = left.keys();
  if (left.size > MOST && oldest !== undefined) {
    left.delete(oldest);
  }
}

/** An editor's state, as it was left if its text is still the same. */
export function enter(key: string | undefined, text: string, all: Extension): EditorState {
  const before = key === undefined ? undefined : (left.get(key) as { doc: string } | undefined);
  return before?.doc === text
    ? EditorState.fromJSON(before, { extensions: all }, FIELDS)
    : EditorState.create({ doc: text, extensions: all });
}
