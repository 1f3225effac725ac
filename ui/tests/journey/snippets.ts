/** Prints the snippets that the pages have for a configuration. tests/e2e/test_snippets.py runs them. */

import { readConfiguration } from "../../src/core/configuration";
import { utf8 } from "../../src/core/encoding";
import { byId } from "../../src/screens/draft/computations/columns";
import { snippet } from "../../src/screens/draft/computations/snippets";
import {
  below,
  codeItems,
  type Item,
  OUTPUT,
  readerOf,
  SCRATCH,
  sourcesFor,
} from "../../src/screens/draft/computations/tree";

const configuration = readConfiguration(utf8(process.argv[2] ?? ""));
const nodes = byId(configuration.nodes);
const found: { node: string; path: string; content: string; code: string }[] = [];

for (const node of configuration.nodes) {
  if (node.kind !== "python" && node.kind !== "r" && node.kind !== "sql" && node.kind !== "sqlite") {
    continue;
  }
  const script = node.kind === "python" || node.kind === "r";
  const filtered = node.kind === "sql" && node.minimum_rows !== undefined;
  const items: Item[] = [];
  for (const source of sourcesFor(nodes, readerOf(node)).filter((each) => each.mounted)) {
    const read = nodes.get(source.id);
    items.push(source.item, ...(script && read !== undefined ? below(nodes, read) : []));
  }
  if (script) {
    items.push(...codeItems(node.files), ...OUTPUT, SCRATCH);
  }
  for (const item of items) {
    found.push({
      node: node.name,
      path: item.path,
      content: item.content,
      code: snippet(node.kind, item, filtered),
    });
  }
}

process.stdout.write(JSON.stringify(found));
