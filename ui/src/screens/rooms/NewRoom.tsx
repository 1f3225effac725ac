/** A new clean room: from scratch, from what somebody has exported, or from a room that is published. */

import { Alert, Button, FileInput, Group, SegmentedControl, Select, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";

import { keys } from "../../app/queries";
import { useClient } from "../../app/session";
import type { Room } from "../../client/room";
import { Dialog } from "../../components/Dialog";
import { Problem } from "../../components/Problem";
import { useSubmit } from "../../components/useSubmit";
import { configurationOf, readConfiguration } from "../../core/configuration";
import { own } from "../../core/encoding";
import { BadRequestError } from "../../core/errors";
import type { Configuration } from "../../core/records";
import { type Draft, importedDraft, newDraft } from "../../drafts/draft";
import { createDraft } from "../../drafts/drafts";

type From = "scratch" | "file" | "room";

/** @param rooms Those that are known by now. */
export function NewRoom({ rooms, onClose }: { rooms: readonly Room[]; onClose: () => void }) {
  const { vault, email } = useClient();
  const [title, setTitle] = useState("");
  const [from, setFrom] = useState<From>("scratch");
  const [file, setFile] = useState<File | null>(null);
  const [room, setRoom] = useState<string | null>(null);
  const navigate = useNavigate();
  const queries = useQueryClient();
  const drafted = async (): Promise<Draft> => {
    if (from === "scratch") {
      return newDraft(title.trim(), email);
    }
    const configuration = from === "file" ? await readFile(file) : chosen(rooms, room);
    const named = title.trim() === "" ? configuration : { ...configuration, title: title.trim() };
    return importedDraft(named, email);
  };
  const creating = useMutation({
    mutationFn: async () => await createDraft(vault, await drafted()),
    onSuccess: async (id) => {
      await queries.invalidateQueries({ queryKey: keys.drafts });
      await navigate(`/drafts/${id}`);
    },
  });
  const submit = useSubmit(() => creating.mutateAsync());
  return (
    <Dialog onClose={onClose} title="New clean room">
      <form onSubmit={submit}>
        <Stack>
          <SegmentedControl
            aria-label="What to begin with"
            value={from}
            onChange={(value) => {
              setFrom(value as From);
              // What was wrong with a file is nothing to a room from scratch.
              creating.reset();
            }}
            data={[
              { value: "scratch", label: "From scratch" },
              { value: "file", label: "From a file" },
              { value: "room", label: "From a room" },
            ]}
          />
          {from === "file" && (
            <FileInput
              label="Configuration"
              description="JSON that was exported from a room or a draft"
              placeholder="Choose a file"
              accept="application/json,.json"
              required
              value={file}
              onChange={setFile}
            />
          )}
          {from === "room" && (
            <Select
              label="Room"
              placeholder={rooms.length === 0 ? "You are in no published room" : "Choose one"}
              data={rooms.map(({ id, definition }) => ({ value: id, label: definition.title }))}
              searchable
              required
              value={room}
              onChange={setRoom}
              comboboxProps={{ withinPortal: false }}
            />
          )}
          <TextInput
            label="Name"
            description={from === "scratch" ? undefined : "Empty: the one that it has there"}
            required={from === "scratch"}
            maxLength={256}
            data-autofocus
            value={title}
            onChange={(event) => setTitle(event.currentTarget.value)}
          />
          {from !== "scratch" && (
            <Alert color="gray">
              <Text size="sm">You become its owner; the one who was is a participant. Data is not copied.</Text>
            </Alert>
          )}
          {creating.error !== null && <Problem error={creating.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={creating.isPending} disabled={from === "room" && room === null}>
              Create the draft
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  );
}

/** @throws DefinitionInvalid It is no configuration. */
async function readFile(file: File | null): Promise<Configuration> {
  if (file === null) {
    throw new BadRequestError("Choose a configuration first.");
  }
  return readConfiguration(own(new Uint8Array(await file.arrayBuffer())));
}

function chosen(rooms: readonly Room[], id: string | null): Configuration {
  const room = rooms.find((each) => each.id === id);
  if (room === undefined) {
    throw new BadRequestError("Choose a room first.");
  }
  return configurationOf(room.definition);
}
