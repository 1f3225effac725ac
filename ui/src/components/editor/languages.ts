/** The languages that texts of a room are written in. */

import { python } from "@codemirror/lang-python";
import { PostgreSQL, SQLite, sql } from "@codemirror/lang-sql";
import { StreamLanguage } from "@codemirror/language";
import { json } from "@codemirror/legacy-modes/mode/javascript";
import { r } from "@codemirror/legacy-modes/mode/r";
import type { Extension } from "@codemirror/state";

/** `sql`: DuckDB's, which is close to PostgreSQL's. */
export type Language = "python" | "r" | "sql" | "sqlite" | "json" | "text";

const BY_ENDING: Readonly<Record<string, Language>> = { py: "python", r: "r", sql: "sql", json: "json" };

/** The language of a file, by its name. */
export function languageOf(name: string): Language {
  const ending = /\.([a-z]+)$/i.exec(name)?.[1]?.toLowerCase() ?? "";
  return Object.hasOwn(BY_ENDING, ending) ? (BY_ENDING[ending] ?? "text") : "text";
}

/** What reads and colours it. */
export function support(language: Language): Extension {
  switch (language) {
    case "python":
      return python();
    case "r":
      return StreamLanguage.define(r);
    case "sql":
      return sql({ dialect: PostgreSQL });
    case "sqlite":
      return sql({ dialect: SQLite });
    case "json":
      return StreamLanguage.define(json);
    case "text":
      return [];
  }
}
