/** Uploading a file of one's own, for rooms to come. */

import { Alert, Anchor, Button, Group, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Link } from "react-router";

import { useDevices } from "../../app/devices";
import { keys } from "../../app/queries";
import { useClient } from "../../app/session";
import { Dialog } from "../../components/Dialog";
import { FileDrop } from "../../components/upload/FileDrop";
import { transfers } from "./transfers";

const MAX_TEXT = 4096;

export function NewDataset({ onClose }: { onClose: () => void }) {
  const client = useClient();
  const queries = useQueryClient();
  const devices = useDevices();
  const [file, setFile] = useState<File | null>(null);
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const choose = (chosen: File): void => {
    setFile(chosen);
    setName(chosen.name);
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (file === null) {
      return;
    }
    const label = { name: name.trim(), description: description.trim() };
    void transfers.run("upload", label.name, async (options) => {
      await client.datasets.upload(file, label, options);
      await queries.invalidateQueries({ queryKey: keys.datasets });
    });
    onClose();
  };
  const unlinked = devices.data?.trusted === false;
  return (
    <Dialog onClose={onClose} title="Upload a dataset" size="lg">
      <form onSubmit={submit}>
        <Stack>
          {unlinked && (
            <Alert color="yellow" title="This browser isn't linked yet">
              <Text size="sm">
                The key of what you upload could not be kept: you could never use it.{" "}
                <Anchor component={Link} to="/settings" size="sm" c="inherit" underline="always">
                  Link this browser to your vault
                </Anchor>{" "}
                first, or upload the file in the room that is to have it.
              </Text>
            </Alert>
          )}
          <FileDrop
            file={file}
            hint="Any file. It is encrypted in this browser, part by part, while it is uploaded."
            onFile={choose}
          />
          <TextInput
            label="Name"
            description="Nobody but your devices can read it"
            required
            maxLength={MAX_TEXT}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <Textarea
            label="Description"
            autosize
            maxRows={6}
            maxLength={MAX_TEXT}
            value={description}
            onChange={(event) => setDescription(event.currentTarget.value)}
          />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" disabled={file === null || name.trim() === "" || unlinked}>
              Encrypt and upload
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  );
}
