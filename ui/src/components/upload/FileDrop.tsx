/** A place for one file: chosen, or dropped there. */

import { Button, FileButton, Group, Stack, Text } from "@mantine/core";
import { IconFileUpload } from "@tabler/icons-react";
import { type DragEvent, useState } from "react";

import { bytes } from "../format";
import styles from "./FileDrop.module.css";

/**
 * @param hint Which files are meant.
 * @param accept As `<input accept>` has it.
 */
export function FileDrop({
  file,
  hint,
  accept,
  onFile,
}: {
  file: File | null;
  hint: string;
  accept?: string;
  onFile: (file: File) => void;
}) {
  const [over, setOver] = useState(false);
  const dropped = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    const [first] = event.dataTransfer.files;
    if (first !== undefined) {
      onFile(first);
    }
  };
  return (
    <Stack
      className={styles["drop"]}
      data-over={over || undefined}
      gap="xs"
      align="center"
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={dropped}
    >
      {file === null ? (
        <Text size="sm">Drop a file here, or choose one.</Text>
      ) : (
        <Text size="sm" className={styles["name"]}>
          <b>{file.name}</b>, {bytes(file.size)}
        </Text>
      )}
      <Group>
        <FileButton
          onChange={(chosen) => chosen !== null && onFile(chosen)}
          {...(accept === undefined ? {} : { accept })}
          inputProps={{ "aria-label": "File" }}
        >
          {(props) => (
            <Button {...props} variant="default" leftSection={<IconFileUpload size={16} aria-hidden />}>
              {file === null ? "Choose a file" : "Choose another file"}
            </Button>
          )}
        </FileButton>
      </Group>
      <Text size="xs" c="dimmed">
        {hint}
      </Text>
    </Stack>
  );
}
