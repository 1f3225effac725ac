/** From a file on this machine to what a data node takes. Nothing leaves the machine before the user says so. */

import { Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";

import type { DataNode } from "../../core/nodes";
import type { Content } from "../../tables/recipe";
import { FileDrop } from "./FileDrop";
import { TableWizard } from "./wizard/TableWizard";

/** A wizard ends with something that can be uploaded, and what its user calls it. */
export interface WizardProps {
  node: DataNode;
  /** What the last button says. */
  action: string;
  /** Somebody has chosen a file: what they do from here on is work that could be lost. */
  onFile: () => void;
  onReady: (content: Content, label: string) => void;
}

export function UploadWizard({ node, action, onFile, onReady }: WizardProps) {
  return node.kind === "table_data" ? (
    <TableWizard node={node} action={action} onFile={onFile} onReady={onReady} />
  ) : (
    <AnyFile action={action} onFile={onFile} onReady={onReady} />
  );
}

function AnyFile({ action, onFile, onReady }: Omit<WizardProps, "node">) {
  const [file, setFile] = useState<File | null>(null);
  const [name, setName] = useState("");
  const choose = (chosen: File): void => {
    setFile(chosen);
    setName(chosen.name);
    onFile();
  };
  return (
    <Stack>
      <FileDrop file={file} hint="Any file. Nothing leaves this machine before you say so." onFile={choose} />
      {file !== null && (
        <>
          <TextInput
            label="Name"
            description="For you alone: your vault keeps it."
            maxLength={4096}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <Group justify="flex-end">
            <Text size="sm" c="dimmed">
              It is encrypted in this browser.
            </Text>
            <Button disabled={name === ""} onClick={() => onReady(file, name)}>
              {action}
            </Button>
          </Group>
        </>
      )}
    </Stack>
  );
}
