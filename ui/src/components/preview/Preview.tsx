/** One file of a result, shown so that nothing in it can do anything; or offered as a download. */

import { Alert, Button, Center, Loader, Stack, Text } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";

import type { Archive, ArchiveFile } from "../../client/archive";
import { download } from "../download";
import { Problem } from "../Problem";
import { Framed } from "./Framed";
import { HEAD, MOST, type Shown, shownAs } from "./kinds";
import { TablePreview } from "./TablePreview";
import { TextPreview } from "./TextPreview";
import { type Cells, cellsOf } from "./table";
import { columnNames } from "./types";

/** Bytes of tables and texts that are read. */
const TABLE = 8 * 1024 * 1024;
const TEXT = 1024 * 1024;

type Ready =
  | { as: "table"; cells: Cells; names: string[] | null }
  | { as: "text"; text: string; whole: boolean }
  | { as: "frame"; frame: "picture" | "pdf"; type: string; content: ArrayBuffer }
  | { as: "nothing"; why: string };

/** @param id Tells archives apart: what was read of one is kept while it is looked at. */
export function Preview({ archive, file, id }: { archive: Archive; file: ArchiveFile; id: string }) {
  const query = useQuery({
    queryKey: ["preview", id, file.name],
    queryFn: ({ signal }) => ready(archive, file, signal),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    structuralSharing: false,
  });
  if (query.error !== null) {
    return <Problem error={query.error} />;
  }
  if (query.data === undefined) {
    return (
      <Center p="xl">
        <Loader role="img" aria-label="Loading" />
      </Center>
    );
  }
  const shown = query.data;
  switch (shown.as) {
    case "table":
      return <TablePreview label={file.label} cells={shown.cells} names={shown.names} />;
    case "text":
      return <TextPreview label={file.label} text={shown.text} whole={shown.whole} size={file.size} />;
    case "frame":
      return <Framed frame={shown.frame} label={file.label} type={shown.type} content={shown.content} />;
    case "nothing":
      return (
        <Alert color="gray" title="There is no preview of this file">
          <Stack align="flex-start" gap="sm">
            <Text size="sm">{shown.why} You can download it.</Text>
            <FileDownload archive={archive} file={file} />
          </Stack>
        </Alert>
      );
  }
}

/** Saves one file. What it may do elsewhere is said: other programs may run what is in it. */
export function FileDownload({ archive, file }: { archive: Archive; file: ArchiveFile }) {
  const save = useMutation({
    mutationFn: async () => download(await archive.blob(file.name, Number.MAX_SAFE_INTEGER), lastOf(file.name)),
  });
  return (
    <>
      <Button
        size="xs"
        variant="default"
        loading={save.isPending}
        onClick={() => save.mutate()}
        aria-label={`Download this file: ${file.label}`}
      >
        Download this file
      </Button>
      {save.error !== null && <Problem error={save.error} />}
    </>
  );
}

function lastOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

async function ready(archive: Archive, file: ArchiveFile, signal: AbortSignal): Promise<Ready> {
  const { bytes: head } = await archive.head(file.name, HEAD, signal);
  const shown: Shown = shownAs(file.name, head, file.size);
  switch (shown.as) {
    case "table": {
      const part = await archive.head(file.name, TABLE, signal);
      const names = await namesBeside(archive, file.name, signal);
      return { as: "table", cells: cellsOf(lenient(part.bytes), shown.separator, part.whole), names };
    }
    case "text": {
      const part = await archive.head(file.name, TEXT, signal);
      return { as: "text", text: lenient(part.bytes), whole: part.whole };
    }
    case "picture":
      return await framed("picture", shown.type);
    case "drawing":
      return await framed("picture", "image/svg+xml");
    case "pdf":
      return await framed("pdf", "application/pdf");
    case "nothing":
      return shown;
  }

  async function framed(frame: "picture" | "pdf", type: string): Promise<Ready> {
    const content = await (await archive.blob(file.name, MOST, { signal })).arrayBuffer();
    return { as: "frame", frame, type, content };
  }
}

/** The names of a table's columns, where it has none itself and they lie beside it. */
async function namesBeside(archive: Archive, name: string, signal: AbortSignal): Promise<string[] | null> {
  const types = name.replace(/dataset\.csv$/, "types");
  if (types === name || !archive.has(types)) {
    return null;
  }
  return columnNames((await archive.head(types, HEAD, signal)).bytes);
}

function lenient(part: Uint8Array): string {
  return new TextDecoder("utf-8").decode(part, { stream: true });
}
