/** What all computations have: a name, people who may run it, problems, and an end. */

import { Alert, Anchor, Badge, Button, Group, List, MultiSelect, Stack, TextInput } from "@mantine/core";
import { IconAlertTriangle, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { Link } from "react-router";

import { confirmed } from "../../../components/confirm";
import { KINDS } from "../../../components/kinds";
import type { ComputeNode } from "../../../core/nodes";
import { dependents, removeNode, setRole } from "../../../drafts/edits";
import { useDraft } from "../../../drafts/useDraft";
import styles from "./Computations.module.css";
import { nameProblem } from "./names";

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
          <Name node={node} onRename={onRename} />
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
      <Analysts node={node} />
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

/** Taken when the field is left: half a name is none, and others may read the computation by it. */
function Name({ node, onRename }: Pick<Props, "node" | "onRename">) {
  const { configuration } = useDraft();
  const [typed, setTyped] = useState<string | null>(null);
  const name = typed ?? node.name;
  const problem = name === node.name ? undefined : nameProblem(configuration, name, node.id);
  const take = (): void => {
    if (name !== node.name && problem === undefined) {
      onRename(name);
      setTyped(null);
    }
  };
  return (
    <TextInput
      label="Name"
      className={styles["named"]}
      value={name}
      error={problem}
      onChange={(event) => setTyped(event.currentTarget.value)}
      onBlur={take}
      onKeyDown={(event) => event.key === "Enter" && take()}
    />
  );
}

function Analysts({ node }: { node: ComputeNode }) {
  const { id, configuration, edit } = useDraft();
  const people = configuration.participants;
  const may = people.filter((each) => each.analyst_of.includes(node.id)).map((each) => each.user);
  const choose = (wanted: string[]): void => {
    for (const { user } of people) {
      if (wanted.includes(user) !== may.includes(user)) {
        edit(setRole(user, "analyst_of", node.id, wanted.includes(user)));
      }
    }
  };
  return (
    <MultiSelect
      label="Who may run it and get its result"
      description={
        <>
          Nobody else gets it, not even the owner of the room. Add people in{" "}
          <Anchor component={Link} to={`/drafts/${id}/permissions`} size="xs" underline="always">
            Permissions
          </Anchor>
          .
        </>
      }
      placeholder={may.length === 0 ? "Nobody yet" : undefined}
      data={people.map((each) => each.user)}
      value={may}
      onChange={choose}
      searchable
      maw={640}
    />
  );
}
