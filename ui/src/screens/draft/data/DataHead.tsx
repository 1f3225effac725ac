/** What all data nodes have: a name, whether computations wait for it, who provides it, problems, and an end. */

import { Alert, Anchor, Badge, Button, Group, List, MultiSelect, Stack, Switch, TextInput } from "@mantine/core";
import { IconAlertTriangle, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { Link } from "react-router";

import { confirmed } from "../../../components/confirm";
import { KINDS } from "../../../components/kinds";
import type { DataNode } from "../../../core/nodes";
import { dependents, nodeIn, putNode, removeNode, setRole } from "../../../drafts/edits";
import { useDraft } from "../../../drafts/useDraft";
import { nameProblem } from "../computations/names";

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
          <Name key={node.name} node={node} onRename={(name) => change({ name })} />
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
      <Owners node={node} />
      {problems.length > 0 && (
        <Alert
          color="red"
          variant="light"
          icon={<IconAlertTriangle aria-hidden />}
          title={problems.length === 1 ? "A problem to solve before publishing" : "Problems to solve before publishing"}
        >
          <List size="sm">
            {problems.map((problem) => (
              <List.Item key={problem}>{problem}</List.Item>
            ))}
          </List>
        </Alert>
      )}
    </Stack>
  );
}

/** Taken when the field is left: half a name is none, and scripts find it by its name. */
function Name({ node, onRename }: { node: DataNode; onRename: (name: string) => void }) {
  const { configuration } = useDraft();
  const [name, setName] = useState(node.name);
  const problem = name === node.name ? undefined : nameProblem(configuration, name, node.id);
  const take = (): void => {
    if (name !== node.name && problem === undefined) {
      onRename(name);
    }
  };
  return (
    <TextInput
      label="Name"
      description={`Scripts find it as /input/${node.name}${node.kind === "table_data" ? "/dataset.csv" : ""}`}
      w={320}
      value={name}
      error={problem}
      onChange={(event) => setName(event.currentTarget.value)}
      onBlur={take}
      onKeyDown={(event) => event.key === "Enter" && take()}
    />
  );
}

function Owners({ node }: { node: DataNode }) {
  const { id, configuration, edit } = useDraft();
  const people = configuration.participants;
  const owners = people.filter((each) => each.data_owner_of.includes(node.id)).map((each) => each.user);
  const choose = (wanted: string[]): void => {
    for (const { user } of people) {
      if (wanted.includes(user) !== owners.includes(user)) {
        edit(setRole(user, "data_owner_of", node.id, wanted.includes(user)));
      }
    }
  };
  return (
    <MultiSelect
      label="Who provides it"
      description={
        <>
          They alone may put data in, take it away, and fetch it again. Add people in{" "}
          <Anchor component={Link} to={`/drafts/${id}/permissions`} size="xs" underline="always">
            Permissions
          </Anchor>
          .
        </>
      }
      placeholder={owners.length === 0 ? "Nobody yet" : undefined}
      data={people.map((each) => each.user)}
      value={owners}
      onChange={choose}
      searchable
      maw={640}
    />
  );
}
