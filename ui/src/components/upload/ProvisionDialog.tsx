/** Gives a data node of a published room its data: a file, or a dataset that was uploaded before. */

import { Button, Group, Modal, Stack, Tabs, Text, TextInput } from "@mantine/core";
import { useState } from "react";

import { useClient } from "../../app/session";
import type { Room } from "../../client/room";
import type { DataNode } from "../../core/nodes";
import { Problem } from "../Problem";
import { DatasetChoice } from "./DatasetChoice";
import { FileDrop } from "./FileDrop";
import { KeyConsent } from "./KeyConsent";
import { Transfer } from "./Transfer";
import { type Provided, useProvision } from "./useProvision";

/**
 * It is open for as long as it is there.
 *
 * @param onDone It is over: the data is attached, or the user has closed it.
 */
export function ProvisionDialog({ room, node, onDone }: { room: Room; node: DataNode; onDone: () => void }) {
  const { deviceKey } = useClient();
  const { start, cancel, asked, progress, busy, error } = useProvision(room, node.id, onDone);
  return (
    <Modal
      opened
      onClose={onDone}
      title={`Data for ${node.name}`}
      size="xl"
      closeOnClickOutside={false}
      closeOnEscape={!busy}
      withCloseButton={!busy}
    >
      <Stack>
        {error !== null && <Problem error={error} />}
        {asked !== null ? (
          <KeyConsent
            room={room}
            node={node}
            keys={asked.keys}
            device={deviceKey}
            onAgree={asked.agree}
            onRefuse={asked.refuse}
          />
        ) : busy ? (
          <Transfer progress={progress} onCancel={cancel} />
        ) : (
          <Choices onChosen={start} />
        )}
      </Stack>
    </Modal>
  );
}

function Choices({ onChosen }: { onChosen: (provided: Provided) => void }) {
  return (
    <Tabs defaultValue="file" keepMounted={false}>
      <Tabs.List>
        <Tabs.Tab value="file">Upload a file</Tabs.Tab>
        <Tabs.Tab value="dataset">Use a dataset</Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="file" pt="md">
        <FileChoice onChosen={onChosen} />
      </Tabs.Panel>
      <Tabs.Panel value="dataset" pt="md">
        <DatasetChoice action="Attach" onChosen={(dataset) => onChosen({ dataset })} />
      </Tabs.Panel>
    </Tabs>
  );
}

function FileChoice({ onChosen }: { onChosen: (provided: Provided) => void }) {
  const [file, setFile] = useState<File | null>(null);
  const [name, setName] = useState("");
  const choose = (chosen: File): void => {
    setFile(chosen);
    setName(chosen.name);
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
            <Button disabled={name === ""} onClick={() => onChosen({ file, label: { name } })}>
              Encrypt and provision
            </Button>
          </Group>
        </>
      )}
    </Stack>
  );
}
