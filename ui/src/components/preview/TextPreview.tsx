/** The beginning of a file as text, whatever it is: HTML is its source. */

import { Stack, Text } from "@mantine/core";

import { bytes } from "../format";
import { printable } from "../printable";
import styles from "./Preview.module.css";

export function TextPreview({
  label,
  text,
  whole,
  size,
}: {
  label: string;
  text: string;
  whole: boolean;
  size: number;
}) {
  return (
    <Stack gap="xs">
      {!whole && (
        <Text size="sm" c="dimmed" role="note">
          This is the beginning of {bytes(size)}. Download the file for all of it.
        </Text>
      )}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard. */}
      <section className={styles["scroll"]} tabIndex={0} aria-label={`Content of ${label}`}>
        <pre className={styles["text"]}>{text === "" ? "The file is empty." : printable(text)}</pre>
      </section>
    </Stack>
  );
}
