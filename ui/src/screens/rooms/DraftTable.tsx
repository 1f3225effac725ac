/** Rooms that the user is writing. Nobody else can see them. */

import { ActionIcon, Anchor, Table, Text } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "react-router";

import { keys } from "../../app/queries";
import { useClient } from "../../app/session";
import { confirmed } from "../../components/confirm";
import { moment } from "../../components/format";
import { Problem, wordsFor } from "../../components/Problem";
import { isDataNode } from "../../core/nodes";
import { deleteDraft, type KeptDraft, type UnreadableDraft } from "../../drafts/drafts";
import styles from "./Rooms.module.css";
import { counted } from "./summary";

export function DraftTable({ drafts }: { drafts: readonly (KeptDraft | UnreadableDraft)[] }) {
  const { vault } = useClient();
  const queries = useQueryClient();
  const deleting = useMutation({
    mutationFn: async (kept: KeptDraft | UnreadableDraft) => {
      const sure = await confirmed({
        title: "Delete this draft?",
        words: `“${titleOf(kept)}” is deleted on all of your devices. Rooms that were published from it stay.`,
        action: "Delete",
      });
      if (sure) {
        await deleteDraft(vault, kept.item);
        queries.removeQueries({ queryKey: keys.draft(kept.id) });
      }
    },
    onSettled: () => queries.invalidateQueries({ queryKey: keys.drafts }),
  });
  return (
    <>
      {deleting.error !== null && <Problem error={deleting.error} />}
      <Table.ScrollContainer minWidth={520}>
        <Table verticalSpacing="sm" highlightOnHover>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Draft</Table.Th>
              <Table.Th>What is in it</Table.Th>
              <Table.Th>Changed</Table.Th>
              <Table.Th aria-label="Actions" />
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {drafts.map((kept) => (
              <Table.Tr key={kept.id}>
                {"draft" in kept ? <Cells kept={kept} /> : <Broken kept={kept} />}
                <Table.Td>
                  <ActionIcon
                    variant="subtle"
                    color="gray"
                    aria-label={`Delete ${titleOf(kept)}`}
                    onClick={() => deleting.mutate(kept)}
                  >
                    <IconTrash size={16} />
                  </ActionIcon>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </>
  );
}

function Cells({ kept: { id, draft } }: { kept: KeptDraft }) {
  const { title, nodes, participants } = draft.configuration;
  const data = nodes.filter(isDataNode).length;
  return (
    <>
      <Table.Td className={styles["name"]}>
        <Anchor component={Link} to={`/drafts/${id}`} fw={600} size="sm">
          {title}
        </Anchor>
      </Table.Td>
      <Table.Td>
        {counted(data, "dataset")}, {counted(nodes.length - data, "computation")},{" "}
        {counted(participants.length, "participant")}
      </Table.Td>
      <Table.Td>{moment(draft.changed)}</Table.Td>
    </>
  );
}

function Broken({ kept: { error } }: { kept: UnreadableDraft }) {
  return (
    <Table.Td colSpan={3}>
      <Text size="sm">This draft can't be read: {wordsFor(error)}</Text>
    </Table.Td>
  );
}

function titleOf(kept: KeptDraft | UnreadableDraft): string {
  return "draft" in kept ? kept.draft.configuration.title : "A draft that can't be read";
}
