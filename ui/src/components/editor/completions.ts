/** What editors offer while one types, besides the names in the text itself: tables of queries, and paths. */

import type { CompletionContext, CompletionResult } from "@codemirror/autocomplete";
import { PostgreSQL, SQLite, schemaCompletionSource } from "@codemirror/lang-sql";

import type { Language } from "./languages";

export interface Known {
  /** Of scripts: what there is to open, as `/input/patients`. */
  paths?: readonly string[];
  /** Of queries: the tables, with their columns where these are known. */
  tables?: Readonly<Record<string, readonly string[]>>;
}

/** What can be put where the cursor is. */
export function complete(
  language: Language,
  known: Known,
  context: CompletionContext,
): CompletionResult | null | Promise<CompletionResult | null> {
  if (language === "sql" || language === "sqlite") {
    const schema = Object.fromEntries(
      Object.entries(known.tables ?? {}).map(([name, columns]) => [name, [...columns]]),
    );
    return schemaCompletionSource({ dialect: language === "sql" ? PostgreSQL : SQLite, schema })(context);
  }
  const begun = context.matchBefore(/["']\/[^"'\n]*/);
  if (begun === null) {
    return null;
  }
  const options = (known.paths ?? []).map((label) => ({ label, type: "text" }));
  return { from: begun.from + 1, options, validFor: /^\/[^"'\n]*$/ };
}
