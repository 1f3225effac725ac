/** What a computation finds in its container: to mount, and with the snippet that reads each place. */

import { ActionIcon, Checkbox, CopyButton, Text, TextInput, Title, Tooltip } from "@mantine/core";
import {
  IconCheck,
  IconChevronDown,
  IconChevronRight,
  IconCopy,
  IconFile,
  IconFolder,
  IconSearch,
  IconTextPlus,
} from "@tabler/icons-react";
import { memo, type ReactNode, useState } from "react";

import { KINDS } from "../../../components/kinds";
import type { Node, TextFile } from "../../../core/records";
import styles from "./Computations.module.css";
import type { ById } from "./columns";
import { identifier, type Language, snippet } from "./snippets";
import { below, codeItems, type Item, OUTPUT, SCRATCH, type Source, sourcesFor } from "./tree";

/** Nothing of it changes while a script is typed: of many nodes there is much to draw. */
interface Props {
  /** All but the one that reads. */
  nodes: ById;
  id: string;
  kind: Language;
  /** The ids of what it reads. */
  reading: readonly string[];
  /** Static files. */
  files: readonly TextFile[];
  /** Of queries: whether small groups are left out. */
  filtered: boolean;
  /** Of queries: whether something is written already. Then it is a name that is missing. */
  begun: boolean;
  onMount: (id: string, mounted: boolean) => void;
  /** Puts a snippet where the cursor is. */
  onInsert: (code: string) => void;
}

/** More of them need a way to find one. */
const MANY = 8;

export const FileBrowser = memo(function FileBrowser(props: Props) {
  const { nodes, id, kind, reading, files, filtered, begun, onMount, onInsert } = props;
  const [wanted, setWanted] = useState("");
  const sources = sourcesFor(nodes, { id, kind, reading });
  const shown = sources.filter(({ item }) => item.label.toLowerCase().includes(wanted.trim().toLowerCase()));
  const script = kind === "python" || kind === "r";
  const texts = (item: Item): Pick<RowProps, "code" | "inserted"> => {
    const code = snippet(kind, item, filtered);
    return { code, inserted: begun && item.content !== "column" ? identifier(item.name) : code };
  };
  const row = (item: Item, more: Partial<RowProps> = {}) => (
    <Row
      key={`${item.path} ${item.content} ${item.label}`}
      item={item}
      {...texts(item)}
      onInsert={onInsert}
      {...more}
    />
  );
  return (
    <div className={styles["tree"]}>
      <Heading>{script ? "/input" : "Tables"}</Heading>
      {sources.length > MANY && (
        <TextInput
          aria-label="Find inputs"
          placeholder="Find"
          size="xs"
          leftSection={<IconSearch size={14} aria-hidden />}
          value={wanted}
          onChange={(event) => setWanted(event.currentTarget.value)}
        />
      )}
      {sources.length === 0 && (
        <Text size="sm" c="dimmed">
          Nothing to read yet: add tables and files in Data.
        </Text>
      )}
      <ul>
        {shown.map((source) => (
          <SourceRow
            key={source.id}
            source={source}
            nodes={nodes}
            script={script}
            texts={texts(source.item)}
            row={row}
            onMount={onMount}
            onInsert={onInsert}
          />
        ))}
      </ul>
      {script && (
        <>
          <Heading>/input/code</Heading>
          <ul>
            {codeItems(files).map((item) => row(item))}
            {files.length === 0 && (
              <li>
                <Text size="sm" c="dimmed">
                  Static files: + beside the main script adds one.
                </Text>
              </li>
            )}
          </ul>
          <Heading>/output</Heading>
          <Text size="xs" c="dimmed">
            What is written here is the result.
          </Text>
          <ul>{OUTPUT.map((item) => row(item))}</ul>
          <Heading>/scratch</Heading>
          <ul>{row(SCRATCH)}</ul>
        </>
      )}
    </div>
  );
});

function Heading({ children }: { children: ReactNode }) {
  return (
    <Title order={2} size="h6" mt="xs">
      {children}
    </Title>
  );
}

interface SourceProps {
  source: Source;
  nodes: ById;
  script: boolean;
  texts: Pick<RowProps, "code" | "inserted">;
  row: (item: Item, more?: Partial<RowProps>) => ReactNode;
  onMount: (id: string, mounted: boolean) => void;
  onInsert: (code: string) => void;
}

function SourceRow({ source, nodes, script, texts, row, onMount, onInsert }: SourceProps) {
  const [open, setOpen] = useState(false);
  const { id, item, mounted, blocked } = source;
  const node = nodes.get(id);
  // A reader's snippets work when it is mounted: so whoever takes one mounts it.
  const mount = (): void => {
    if (!mounted) {
      onMount(id, true);
    }
  };
  const inside = node === undefined || !open ? [] : script ? below(nodes, node) : columns(item);
  const hasInside = script ? item.content !== "bytes" : item.columns !== undefined;
  return (
    <li>
      <Row
        item={item}
        {...texts}
        kind={source.kind}
        blocked={blocked}
        before={
          <>
            {hasInside ? (
              <ActionIcon
                size="sm"
                variant="subtle"
                color="gray"
                aria-label={`${open ? "Close" : "Open"} ${item.label}`}
                aria-expanded={open}
                onClick={() => setOpen(!open)}
              >
                {open ? <IconChevronDown size={14} /> : <IconChevronRight size={14} />}
              </ActionIcon>
            ) : (
              <span className={styles["space"]} />
            )}
            <Checkbox
              size="xs"
              aria-label={`Mount ${item.label}`}
              checked={mounted}
              disabled={blocked !== undefined && !mounted}
              onChange={(event) => onMount(id, event.currentTarget.checked)}
            />
          </>
        }
        onCopy={mount}
        onInsert={(text) => {
          mount();
          onInsert(text);
        }}
      />
      {open && (
        <ul>
          {inside.map((each) =>
            row(each, {
              onCopy: mount,
              onInsert: (text) => {
                mount();
                onInsert(text);
              },
            }),
          )}
          {inside.length === 0 && (
            <li>
              <Text size="xs" c="dimmed">
                Known when it has run.
              </Text>
            </li>
          )}
        </ul>
      )}
    </li>
  );
}

function columns(item: Item): Item[] {
  return (item.columns ?? []).slice(0, 500).map(({ name, type }) => ({
    label: name,
    name,
    path: `${item.path}/${name}`,
    content: "column",
    optional: false,
    note: type,
  }));
}

interface RowProps {
  item: Item;
  /** The snippet. */
  code: string;
  /** What is put where the cursor is. */
  inserted: string;
  kind?: Node["kind"] | undefined;
  blocked?: string | undefined;
  before?: ReactNode;
  onCopy?: () => void;
  onInsert: (code: string) => void;
}

function Row({ item, code, inserted, kind, blocked, before, onCopy, onInsert }: RowProps) {
  const Icon = kind !== undefined ? KINDS[kind].icon : item.content === "table" ? IconFolder : IconFile;
  const content = (
    <div className={styles["row"]}>
      {before}
      <Icon size={16} aria-hidden className={styles["icon"]} />
      <span className={styles["path"]} title={item.label}>
        {item.label}
        {kind === undefined && item.note !== undefined && (
          <Text span size="xs" c="dimmed">
            {" "}
            {item.note}
          </Text>
        )}
      </span>
      {blocked === undefined && (
        <>
          <CopyButton value={code}>
            {({ copied, copy }) => (
              <Tooltip label={copied ? "Copied" : code} multiline maw={420} openDelay={300} ff="monospace">
                <ActionIcon
                  size="sm"
                  variant="subtle"
                  color="gray"
                  aria-label={copied ? `Copied: ${item.label}` : `Copy the snippet for ${item.label}`}
                  onClick={() => {
                    copy();
                    onCopy?.();
                  }}
                >
                  {copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
                </ActionIcon>
              </Tooltip>
            )}
          </CopyButton>
          <Tooltip label="Insert at the cursor" openDelay={300}>
            <ActionIcon
              size="sm"
              variant="subtle"
              color="gray"
              aria-label={`Insert the snippet for ${item.label}`}
              onClick={() => onInsert(inserted)}
            >
              <IconTextPlus size={14} />
            </ActionIcon>
          </Tooltip>
        </>
      )}
    </div>
  );
  const why = blocked !== undefined && (
    <Text size="xs" c="dimmed" pl={48}>
      {blocked}
    </Text>
  );
  // Of a node's own row the list item is around its contents, too.
  return before === undefined ? (
    <li>{content}</li>
  ) : (
    <>
      {content}
      {why}
    </>
  );
}
