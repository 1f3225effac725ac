/** What all data nodes have: a name, whether computations wait for it, who provides it, problems, and an end. */

import { Badge, Button, Group, Stack, Switch } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";

import { confirmed } from "../../../components/confirm";
import { KINDS } from "../../../components/kinds";
import type { DataNode } from "../../../core/nodes";
import { dependents, nodeIn, putNode, removeNode } from "../../../drafts/edits";
import { useDraft } from "../../../drafts/useDraft";
import { NodeName } from "../nodes/NodeName";
import { NodeProblems } from "../nodes/NodeProblems";
import { RoleChoice } from "../nodes/RoleChoice";

export function DataHead({ node, problems }: { node: DataNode; problems: readonly string[] }) {
  const { configuration, edit, setTest } = useDraft();
  const { icon: Icon, label } = KINDS[node.kind];
  const change = (fields: { name?: string; required?: boolean }): void =>
    edit((before) => {
      const now = nodeIn(before, node.id);
      return now === undefined ? before : putNode({ ...now, ...fields } as DataNode)(before);
    });
  const remove = async (): Promise<void> => {
    const readers = dependents(configuration, node.id);
    const words =
      readers.length === 0 ? "No computation reads it." : `It is taken from what reads it: ${readers.join(", ")}.`;
    if (await confirmed({ title: `Remove ${node.name}?`, words, action: "Remove" })) {
      edit(removeNode(node.id));
      setTest(node.id, null);
    }
  };
  return (
    <Stack gap="sm">
      <Group align="flex-end" justify="space-between">
        <Group align="flex-end">
          <NodeName
            node={node}
            onRename={(name) => change({ name })}
            description={`Scripts find it as /input/${node.name}${node.kind === "table_data" ? "/dataset.csv" : ""}`}
            w={320}
          />
          <Badge variant="light" color="gray" size="lg" leftSection={<Icon size={16} aria-hidden />} mb={4}>
            {label}
          </Badge>
        </Group>
        <Button variant="default" leftSection={<IconTrash size={16} aria-hidden />} onClick={() => void remove()}>
          Remove
        </Button>
      </Group>
      <Switch
        label="Required"
        description="Computations that read it wait until it is provided. Otherwise they run without it, if need be."
        checked={node.required}
        onChange={(event) => change({ required: event.currentTarget.checked })}
      />
      <RoleChoice
        node={node}
        of="data_owner_of"
        label="Who provides it"
        about="They alone may put data in, take it away, and fetch it again."
      />
      <NodeProblems problems={problems} />
    </Stack>
  );
}
