import { afterEach, beforeEach, expect, test } from "vitest";

import type { Thread } from "../../src/client/calls";
import type { Port } from "../../src/client/messages";
import { TableChecker } from "../../src/client/tableChecker";
import { BadRequestError } from "../../src/core/errors";
import { proposeColumns } from "../../src/tables/mapping";
import { serveChecks } from "../../src/worker/checkTables";

const TARGET = { columns: [{ name: "id", type: "INTEGER", nullable: false, hashed: false }], unique: [] } as const;
const target = { columns: [...TARGET.columns], unique: [] };

let checker: TableChecker;
beforeEach(() => {
  checker = new TableChecker(served);
});
afterEach(() => checker.close());

function served(): Thread {
  const { port1, port2 } = new MessageChannel();
  serveChecks(port2 as unknown as Port);
  [port1, port2].forEach((port) => port.start());
  return { port: port1 as unknown as Port, end: () => port1.close() };
}

test("a file is looked at, and checked", async () => {
  const file = new Blob(["id;x\n1;a\n=2;b\n"]);
  const { reading, start, sheets } = await checker.look(file, ["id"]);
  expect(reading).toMatchObject({ kind: "csv", delimiter: ";", header: true });
  expect(start).toMatchObject({ header: ["id", "x"], width: 2, rows: [2, 3] });
  expect(sheets).toEqual([]);
  const columns = proposeColumns(target.columns, start);
  const recipe = { reading, width: 2, columns, corrections: [], drop: false };
  expect(await checker.check(file, target, recipe, () => undefined)).toMatchObject({ rows: 2, invalidRows: 1 });
  const broken = await checker.look(new Blob(['a,"b"c\n']), []);
  expect(broken.problem?.message).toContain("quotes in row 1");
  const plain = { kind: "csv", encoding: "utf-8", delimiter: ",", quote: "", newline: "\n", header: false } as const;
  expect((await checker.look(new Blob(['a,"b"c\n']), [], plain)).problem).toBeNull();
  const otherwise = await checker.look(file, ["id"], { ...reading, header: false });
  expect(otherwise.start.header).toBeNull();
});

test("what can't be read is said in its own words", async () => {
  const looking = checker.look(new Blob([new Uint8Array([0x50, 0x4b, 3, 4, 1, 2, 3])]), []);
  await expect(looking).rejects.toThrow(BadRequestError);
  await expect(looking).rejects.toThrow("no Excel file");
});

test("whoever waits for a worker that is gone hears of it, and the next file has another one", async () => {
  const losing: (() => void)[] = [];
  const silent = { port: { postMessage: () => undefined, addEventListener: () => undefined }, end: () => undefined };
  const lost = new TableChecker((lose) => (losing.push(lose) === 1 ? silent : served()));
  const looking = lost.look(new Blob(["a"]), []);
  losing[0]?.();
  await expect(looking).rejects.toThrow("want of memory");
  expect(await lost.look(new Blob(["a;b"]), [])).toMatchObject({ reading: { delimiter: ";" } });
  lost.close();
});
