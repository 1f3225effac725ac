/**
 * A text editor: CodeMirror, in a shadow root, because there it brings its styles as sheets of its own, and not as the
 * elements that the pages' policy forbids.
 *
 * Tab indents, as people who write code expect; Esc, then Tab, leaves the editor. What was undone, and where the cursor
 * was, is kept in memory for as long as the page is open, and nowhere else.
 */

import { Transaction } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { Text } from "@mantine/core";
import { type Ref, useEffect, useImperativeHandle, useLayoutEffect, useRef } from "react";

import type { Known } from "./completions";
import styles from "./Editor.module.css";
import type { Language } from "./languages";
import { ELSEWHERE, enter, extensions, leave } from "./setup";

/** What else can be done to an editor from outside. */
export interface EditorHandle {
  /** Puts a text where the cursor is, on lines of its own if asked to, and goes there. */
  insert: (text: string, ownLines?: boolean) => void;
  focus: () => void;
}

export interface EditorProps extends Known {
  value: string;
  /** Without it the text can be read, searched and copied, and not changed. */
  onChange?: (value: string) => void;
  language: Language;
  /** What the text is: "Main script". */
  label: string;
  /** Which text it is, for what was undone there: `<draft>/<node>/<file>`. */
  name?: string;
  placeholder?: string;
  /** Of the whole: a CSS length. */
  height?: string;
  ref?: Ref<EditorHandle>;
}

const HELP = "Tab indents. Press Escape, then Tab, to leave the editor. Control or Command with F searches.";
const HELP_ID = "help";

export function Editor(props: EditorProps) {
  const { name, language, label, onChange } = props;
  // Another text is another editor: nothing of one can be undone into the other.
  const identity = JSON.stringify([name, language, label, onChange === undefined]);
  return <Surface key={identity} {...props} />;
}

function Surface({ value, onChange, language, label, name, placeholder = "", height, ref, ...known }: EditorProps) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(undefined);
  // What the editor, which outlives a rendering, looks at when something happens.
  const latest = useRef({ onChange, known });
  useLayoutEffect(() => {
    latest.current = { onChange, known };
  });
  const first = useRef({ value, readOnly: onChange === undefined, language, label, name, placeholder });

  useLayoutEffect(() => {
    const place = host.current;
    if (place === null) {
      return;
    }
    const root = place.shadowRoot ?? place.attachShadow({ mode: "open" });
    const help = document.createElement("span");
    help.id = HELP_ID;
    help.hidden = true;
    help.textContent = HELP;
    const { value: text, name: key, ...setup } = first.current;
    const all = extensions({
      ...setup,
      describedBy: HELP_ID,
      known: () => latest.current.known,
      changed: (changed) => latest.current.onChange?.(changed),
    });
    const made = new EditorView({ state: enter(key, lines(text), all), root });
    root.replaceChildren(made.dom, help);
    view.current = made;
    return () => {
      if (key !== undefined) {
        leave(key, made.state);
      }
      made.destroy();
      view.current = undefined;
    };
  }, []);

  useEffect(() => {
    const text = lines(value);
    const made = view.current;
    if (made !== undefined && made.state.doc.toString() !== text) {
      // Changed from elsewhere: another tab of the page, or a snippet.
      const changes = { from: 0, to: made.state.doc.length, insert: text };
      made.dispatch({ changes, annotations: Transaction.userEvent.of(ELSEWHERE) });
    }
  }, [value]);

  useEffect(() => {
    if (height !== undefined) {
      host.current?.style.setProperty("height", height);
    }
  }, [height]);

  useImperativeHandle(ref, () => ({
    insert: (text, ownLines = false) => {
      if (view.current !== undefined) {
        insert(view.current, text, ownLines);
      }
    },
    focus: () => view.current?.focus(),
  }));

  return (
    <div className={styles["frame"]}>
      <div ref={host} className={styles["host"]} />
      {onChange !== undefined && (
        <Text size="xs" c="dimmed" className={styles["hint"]} aria-hidden>
          Tab indents · Esc, then Tab, leaves · Ctrl or ⌘ F searches
        </Text>
      )}
    </div>
  );
}

function insert(view: EditorView, text: string, ownLines: boolean): void {
  const { main } = view.state.selection;
  let whole = text;
  if (ownLines) {
    const [first, last] = [view.state.doc.lineAt(main.from), view.state.doc.lineAt(main.to)];
    const ahead = view.state.sliceDoc(first.from, main.from);
    const indentation = /^[ \t]*/.exec(ahead)?.[0] ?? "";
    const before = ahead === indentation ? "" : `\n${indentation}`;
    const after = view.state.sliceDoc(main.to, last.to).trim() === "" ? "" : `\n${indentation}`;
    // Whole lines, as deep as the one that they come into.
    whole = `${before}${text.replace(/\n(?!\n)/g, `\n${indentation}`)}${after}`;
  }
  const changes = { from: main.from, to: main.to, insert: whole };
  view.dispatch({
    changes,
    selection: { anchor: main.from + whole.length },
    scrollIntoView: true,
    userEvent: "input.paste",
  });
  view.focus();
}

/** Lines as editors have them. */
function lines(text: string): string {
  return text.replace(/\r\n?/g, "\n");
}
