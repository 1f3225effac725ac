/** How two rooms differ: fields before and after, scripts and queries line by line. */

import { Paper, Stack, Text, VisuallyHidden } from "@mantine/core";
import { useMemo } from "react";

import { type Change, changes } from "../../core/difference";
import type { Configuration } from "../../core/records";
import { printable } from "../printable";
import styles from "./Changes.module.css";
import { type Line, lineChanges } from "./lines";
import { fieldLabel, isText, placesOf, valueWords } from "./words";

type NameOf = (id: string) => string;

/** Lines that are shown of one text. */
const MOST = 2000;
const SIGNS = {
  same: { sign: " ", words: "", style: undefined },
  gone: { sign: "-", words: "Was: ", style: styles["gone"] },
  new: { sign: "+", words: "Is now: ", style: styles["new"] },
  "left out": { sign: "…", words: "", style: styles["out"] },
} as const;

export function Changes({ before, after }: { before: Configuration; after: Configuration }) {
  const found = useMemo(() => changes(before, after), [before, after]);
  const names = useMemo(
    () => new Map([...before.nodes, ...after.nodes].map(({ id, name }) => [id, name])),
    [before, after],
  );
  const nameOf = (id: string): string => names.get(id) ?? id;
  if (found.length === 0) {
    return <Text size="sm">Nothing differs.</Text>;
  }
  return (
    <Stack gap="sm">
      {placesOf(found, nameOf).map((place) => (
        <Paper key={`${place.changes[0]?.of} ${place.changes[0]?.id}`} withBorder p="sm">
          <Text fw={600}>
            <bdi>{place.title}</bdi>
          </Text>
          <Stack gap="xs" mt="xs">
            {place.changes.map((change) => (
              <OneChange key={change.field} change={change} nameOf={nameOf} />
            ))}
          </Stack>
        </Paper>
      ))}
    </Stack>
  );
}

function OneChange({ change, nameOf }: { change: Change; nameOf: NameOf }) {
  if (change.field === "") {
    return <Text size="sm">{change.after === undefined ? "is not there any more" : "is new"}</Text>;
  }
  if (isText(change)) {
    return <TextChange label={fieldLabel(change)} before={lines(change.before)} after={lines(change.after)} />;
  }
  return (
    <Text size="sm" className={styles["value"]}>
      {fieldLabel(change)}: <del>{printable(valueWords(change, change.before, nameOf))}</del>
      <VisuallyHidden> is now </VisuallyHidden>
      <span aria-hidden> → </span>
      <ins>{printable(valueWords(change, change.after, nameOf))}</ins>
    </Text>
  );
}

function TextChange({ label, before, after }: { label: string; before: string; after: string }) {
  const all = useMemo(() => lineChanges(before, after), [before, after]);
  return (
    <Stack gap={4}>
      <Text size="sm">{label}</Text>
      {all.length === 0 ? (
        <Text size="sm">Its lines end differently.</Text>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keyboard.
        <section className={styles["lines"]} tabIndex={0} aria-label={`What was changed: ${label}`}>
          {all.slice(0, MOST).map((line, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: two lines may be alike, and none moves.
            <OneLine key={at} line={line} />
          ))}
          {all.length > MOST && <span className={styles["line"]}>… and {all.length - MOST} lines more</span>}
        </section>
      )}
    </Stack>
  );
}

function OneLine({ line: { kind, text } }: { line: Line }) {
  const { sign, words, style } = SIGNS[kind];
  return (
    <span className={`${styles["line"]} ${style ?? ""}`}>
      {words !== "" && <VisuallyHidden>{words}</VisuallyHidden>}
      <span aria-hidden>{sign} </span>
      {printable(text)}
    </span>
  );
}

function lines(value: unknown): string {
  return typeof value === "string" ? value : "";
}
