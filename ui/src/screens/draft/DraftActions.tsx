/** What can be done with a draft as a whole. */

import { Button, FileButton, Group, Menu, Stack, Textarea, TextInput } from "@mantine/core";
import { IconChevronDown, IconCopy, IconFileExport, IconFileImport, IconPencil, IconTrash } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useRef, useState } from "react";
import { useNavigate } from "react-router";

import { keys } from "../../app/queries";
import { useClient } from "../../app/session";
import { confirmed } from "../../components/confirm";
import { Dialog } from "../../components/Dialog";
import { download } from "../../components/download";
import { Problem } from "../../components/Problem";
import { readConfiguration, writeConfiguration } from "../../core/configuration";
import { own } from "../../core/encoding";
import { importedDraft } from "../../drafts/draft";
import { deleteDraft, loadDraft } from "../../drafts/drafts";
import { describe } from "../../drafts/edits";
import { useDraft } from "../../drafts/useDraft";
import { MAX_TITLE, useDuplicate } from "./useDuplicate";

export function DraftActions() {
  const { id, configuration, edit, flush } = useDraft();
  const { vault, email } = useClient();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [naming, setNaming] = useState(false);
  const choose = useRef<(() => void) | null>(null);
  const reset = useRef<() => void>(null);

  const exported = (): void => {
    download(
      new Blob([writeConfiguration(configuration)], { type: "application/json" }),
      `${configuration.title}.json`,
    );
  };
  const importing = useMutation({
    mutationFn: async (file: File) => {
      const read = readConfiguration(own(new Uint8Array(await file.arrayBuffer())));
      const sure = await confirmed({
        title: "Replace all of this draft?",
        words: `What is in it now is replaced by “${read.title}”. Duplicate the draft first to keep both.`,
        action: "Replace",
      });
      if (sure) {
        edit(() => importedDraft(read, email).configuration);
      }
    },
    onSettled: () => reset.current?.(),
  });
  const duplicating = useDuplicate();
  const deleting = useMutation({
    mutationFn: async () => {
      const sure = await confirmed({
        title: "Delete this draft?",
        words: `“${configuration.title}” is deleted on all of your devices. Rooms that were published from it stay.`,
        action: "Delete",
      });
      if (!sure) {
        return;
      }
      await flush();
      await deleteDraft(vault, (await loadDraft(vault, id)).item);
      await navigate("/");
      queries.removeQueries({ queryKey: keys.draft(id) });
      await queries.invalidateQueries({ queryKey: keys.drafts });
    },
  });
  const failed = importing.error ?? duplicating.error ?? deleting.error;
  return (
    <Stack align="flex-end" gap="xs">
      <FileButton
        accept="application/json,.json"
        resetRef={reset}
        inputProps={{ "aria-label": "Configuration to import" }}
        onChange={(file) => file !== null && importing.mutate(file)}
      >
        {({ onClick }) => {
          choose.current = onClick;
          return null;
        }}
      </FileButton>
      {naming && <Naming onClose={() => setNaming(false)} />}
      <Menu position="bottom-end" withInitialFocusPlaceholder={false}>
        <Menu.Target>
          <Button variant="default" rightSection={<IconChevronDown size={16} aria-hidden />}>
            Actions
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconPencil size={16} />} onClick={() => setNaming(true)}>
            Rename and describe …
          </Menu.Item>
          <Menu.Item leftSection={<IconFileExport size={16} />} onClick={exported}>
            Export configuration
          </Menu.Item>
          <Menu.Item leftSection={<IconFileImport size={16} />} onClick={() => choose.current?.()}>
            Import configuration …
          </Menu.Item>
          <Menu.Item leftSection={<IconCopy size={16} />} onClick={() => duplicating.mutate()}>
            Duplicate
          </Menu.Item>
          <Menu.Divider />
          <Menu.Item leftSection={<IconTrash size={16} />} onClick={() => deleting.mutate()}>
            Delete …
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {failed !== null && <Problem error={failed} />}
    </Stack>
  );
}

function Naming({ onClose }: { onClose: () => void }) {
  const { configuration, edit } = useDraft();
  const [title, setTitle] = useState(configuration.title);
  const [description, setDescription] = useState(configuration.description);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    edit(describe(title.trim(), description));
    onClose();
  };
  return (
    <Dialog onClose={onClose} title="Name and description" size="lg">
      <form onSubmit={submit}>
        <Stack>
          <TextInput
            label="Name"
            required
            maxLength={MAX_TITLE}
            data-autofocus
            value={title}
            onChange={(event) => setTitle(event.currentTarget.value)}
          />
          <Textarea
            label="Description"
            description="What the room is for. All participants read it before they put data in."
            autosize
            minRows={4}
            maxRows={12}
            value={description}
            onChange={(event) => setDescription(event.currentTarget.value)}
          />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" disabled={title.trim() === ""}>
              Keep
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  );
}
