/** What can be done with a published room as a whole. */

import { Button, Menu, Stack } from "@mantine/core";
import { IconChevronDown, IconFileExport, IconHandStop, IconPencilPlus } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "react-router";

import { keys, useStatus } from "../../app/queries";
import { useClient } from "../../app/session";
import { confirmed } from "../../components/confirm";
import { download } from "../../components/download";
import { Problem } from "../../components/Problem";
import { configurationOf, writeConfiguration } from "../../core/configuration";
import { importedDraft } from "../../drafts/draft";
import { createDraft } from "../../drafts/drafts";
import type { TabProps } from "./RoomPage";

export function RoomActions({ room }: TabProps) {
  const { vault, email } = useClient();
  const { data } = useStatus(room);
  const queries = useQueryClient();
  const navigate = useNavigate();
  const { title, owner } = room.definition;

  const exported = (): void => {
    const content = writeConfiguration(configurationOf(room.definition));
    download(new Blob([content], { type: "application/json" }), `${title}.json`);
  };
  const drafting = useMutation({
    mutationFn: async () => await createDraft(vault, importedDraft(configurationOf(room.definition), email)),
    onSuccess: async (id) => {
      await queries.invalidateQueries({ queryKey: keys.drafts });
      await navigate(`/drafts/${id}`);
    },
  });
  const stopping = useMutation({
    mutationFn: async () => {
      const sure = await confirmed({
        title: "Stop this room?",
        words:
          "Nothing can be attached, run or fetched in it any more, by anybody, for good. All that the enclave has of its " +
          "data and results is deleted; what was downloaded before stays with those who have it. The definition and " +
          "the log can still be read.",
        action: "Stop the room",
        typed: "stop",
      });
      if (sure) {
        await room.stop();
      }
    },
    onSettled: () =>
      Promise.all([keys.status(room.id), keys.log(room.id)].map((queryKey) => queries.invalidateQueries({ queryKey }))),
  });
  const failed = drafting.error ?? stopping.error;
  return (
    <Stack align="flex-end" gap="xs">
      <Menu position="bottom-end" withInitialFocusPlaceholder={false}>
        <Menu.Target>
          <Button
            variant="default"
            rightSection={<IconChevronDown size={16} aria-hidden />}
            loading={drafting.isPending}
          >
            Actions
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconFileExport size={16} />} onClick={exported}>
            Export configuration
          </Menu.Item>
          <Menu.Item leftSection={<IconPencilPlus size={16} />} onClick={() => drafting.mutate()}>
            Make a draft of it
          </Menu.Item>
          {owner === email && data?.stopped === false && (
            <>
              <Menu.Divider />
              <Menu.Item leftSection={<IconHandStop size={16} />} onClick={() => stopping.mutate()}>
                Stop the room …
              </Menu.Item>
            </>
          )}
        </Menu.Dropdown>
      </Menu>
      {failed !== null && <Problem error={failed} />}
    </Stack>
  );
}
