/** The state of a table's way from a file to what a room takes: seen, mapped, checked, mended. */

import { useMutation } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";

import { type SeenFile, startTableChecker, type TableChecker } from "../../../client/tableChecker";
import type { TableDataNode } from "../../../core/records";
import { proposeColumns } from "../../../tables/mapping";
import type { CheckProgress, CheckResult } from "../../../tables/prepare";
import type { Reading } from "../../../tables/reading";
import type { ColumnRecipe, PreparedTable, Recipe } from "../../../tables/recipe";

/** A file, and what is to be made of it. */
export interface TableFile extends SeenFile {
  file: File;
  recipe: Recipe;
}

export function useTable(node: TableDataNode) {
  const [table, setTable] = useState<TableFile | null>(null);
  const [progress, setProgress] = useState<CheckProgress | null>(null);
  const checker = useChecker();
  const latest = useRef<{ file: File; reading: Reading | null } | null>(null);
  const looking = useMutation({
    mutationFn: async ({ file, reading }: { file: File; reading: Reading | null }) => {
      const names = node.columns.map((column) => column.name);
      return await checker.current().look(file, names, reading);
    },
    onSuccess: (seen, asked) => {
      // Of two that were chosen one after the other, the first may be there last.
      if (asked === latest.current) {
        setTable({ ...seen, file: asked.file, recipe: firstRecipe(node, seen) });
      }
    },
  });
  const checking = useMutation({
    mutationFn: async ({ file, recipe }: TableFile) => {
      setProgress(null);
      return await checker.current().check(file, node, recipe, setProgress);
    },
  });
  const change = (fields: Partial<Recipe>): void =>
    setTable((now) => (now === null ? null : { ...now, recipe: { ...now.recipe, ...fields } }));
  // What was found holds for what was checked, and not for what was changed since; but for leaving out rows.
  const checked = checking.data !== undefined && sameButDrop(checking.variables?.recipe, table?.recipe);
  return {
    table,
    /** Looks at another file, or at the same one in another way. */
    look: (file: File, reading: Reading | null = null) => {
      checking.reset();
      if (reading === null) {
        // Nothing of another file stays, should this one be unreadable.
        setTable(null);
      }
      latest.current = { file, reading };
      looking.mutate(latest.current);
    },
    looking: looking.isPending,
    lookError: looking.error,
    change,
    changeColumn: (index: number, fields: Partial<ColumnRecipe>) =>
      setTable((now) => {
        const columns = now?.recipe.columns.map((each, place) => (place === index ? { ...each, ...fields } : each));
        return now === null || columns === undefined ? now : { ...now, recipe: { ...now.recipe, columns } };
      }),
    check: () => table !== null && checking.mutate(table),
    checking: checking.isPending,
    checkError: checking.error,
    progress,
    /** What the last check has found; also where something was changed since. */
    result: checking.data,
    /** Whether that is what holds now. */
    checked,
    cancel: () => {
      checker.restart();
      checking.reset();
    },
    prepared: table !== null && checked ? preparedOf(node, table, checking.data) : null,
  };
}

export type UsedTable = ReturnType<typeof useTable>;

function firstRecipe(node: TableDataNode, { reading, start }: SeenFile): Recipe {
  const columns = proposeColumns(node.columns, start);
  return { reading, width: start.width, columns, corrections: [], drop: node.drop_invalid_rows };
}

/** The table as it would be sent; null where it can't be. */
function preparedOf(node: TableDataNode, { file, recipe }: TableFile, result?: CheckResult): PreparedTable | null {
  if (result === undefined || (result.invalidRows > 0 && !recipe.drop)) {
    return null;
  }
  const { columns, unique } = node;
  return { file, target: { columns, unique }, recipe, size: result.size, rows: result.written };
}

function sameButDrop(one: Recipe | undefined, other: Recipe | undefined): boolean {
  return (
    one !== undefined &&
    other !== undefined &&
    one.columns === other.columns &&
    one.corrections === other.corrections &&
    one.reading === other.reading &&
    one.width === other.width
  );
}

/** A worker that is started when it is needed, and ends with whoever uses it. */
function useChecker(): { current: () => TableChecker; restart: () => void } {
  const [holder] = useState(() => {
    let running: TableChecker | undefined;
    return {
      current: (): TableChecker => {
        running ??= startTableChecker();
        return running;
      },
      restart: (): void => {
        running?.close();
        running = undefined;
      },
    };
  });
  useEffect(() => () => holder.restart(), [holder]);
  return holder;
}
