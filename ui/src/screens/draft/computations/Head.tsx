/** What all computations have: a name, people who may run it, problems, and an end. */

import { Badge, Button, Group, Stack } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";

import { confirmed } from "../../../components/confirm";
import { KINDS } from "../../../components/kinds";
import type { ComputeNode } from "../../../core/nodes";
import { dependents, removeNode } from "../../../drafts/edits";
import { useDraft } from "../../../drafts/useDraft";
import { NodeName } from "../nodes/NodeName";
import { NodeProblems } from "../nodes/NodeProblems";
import { RoleChoice } from "../nodes/RoleChoice";
import styles from "./Computations.module.css";

interface Props {
  node: ComputeNode;
  problems: readonly string[];
  onRename: (name: string) => void;
}

export function Head({ node, problems, onRename }: Props) {
  const { configuration, edit } = useDraft();
  const { icon: Icon, label } = KINDS[node.kind];
  const remove = async (): Promise<void> => {
    const readers = dependents(configuration, node.id);
    const words =
      readers.length === 0 ? "Nothing else reads it." : `It is taken from what reads it: ${readers.join(", ")}.`;
    if (await confirmed({ title: `Remove ${node.name}?`, words, action: "Remove" })) {
      edit(removeNode(node.id));
    }
  };
  return (
    <Stack gap="sm">
      <Group align="flex-end" justify="space-between" wrap="nowrap">
        <Group align="flex-end" wrap="nowrap" className={styles["named"]}>
          <NodeName node={node} onRename={onRename} className={styles["named"] ?? ""} />
          <Badge
            variant="light"
            color="gray"
            size="lg"
            leftSection={<Icon size={16} aria-hidden />}
            mb={4}
            miw="fit-content"
          >
            {label}
          </Badge>
        </Group>
        <Button
          variant="default"
          px="sm"
          miw="fit-content"
          leftSection={<IconTrash size={16} aria-hidden />}
          onClick={() => void remove()}
        >
          Remove
        </Button>
      </Group>
      <RoleChoice
        node={node}
        of="analyst_of"
        label="Who may run it and get its result"
        about="Nobody else gets it, not even the owner of the room."
      />
      <NodeProblems problems={problems} />
    </Stack>
  );
}
