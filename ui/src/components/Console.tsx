/** What a program has printed: as text, whatever it is. */

import { Button, Group, Stack, Text } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useMemo } from "react";

import styles from "./Console.module.css";
import { download } from "./download";
import { printable, shortened } from "./printable";

/** Letters that are shown of it; the rest can be downloaded. */
const MOST = 200_000;

/**
 * @param label What it is: "Console of clean".
 * @param file What it is called where it is downloaded; without it, it can't be.
 */
export function Console({ text, label, file }: { text: string; label: string; file?: string }) {
  const { head, left, tail } = useMemo(() => {
    const { head: first, left: between, tail: last } = shortened(text, MOST);
    return { head: printable(first), left: between, tail: printable(last) };
  }, [text]);
  return (
    <Stack gap="xs">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keyboard. */}
      <section className={styles["frame"]} tabIndex={0} aria-label={label}>
        <pre className={styles["text"]}>
          {head}
          {left > 0 && `\n… ${left.toLocaleString("en")} letters are left out here …\n`}
          {tail}
        </pre>
      </section>
      {file !== undefined && (
        <Group justify="space-between">
          <Text size="xs" c="dimmed">
            {left > 0 ? "The beginning and the end are shown." : ""}
          </Text>
          <Button
            size="compact-xs"
            variant="subtle"
            leftSection={<IconDownload size={14} aria-hidden />}
            onClick={() => download(new Blob([text], { type: "text/plain" }), file)}
          >
            Download this text
          </Button>
        </Group>
      )}
    </Stack>
  );
}
