/** The name of a node, as a field. */

import { TextInput, type TextInputProps } from "@mantine/core";
import { useState } from "react";

import type { Node } from "../../../core/records";
import { useDraft } from "../../../drafts/useDraft";
import { nameProblem } from "../computations/names";

/** Taken when the field is left: half a name is none, and others may read the node by it. */
export function NodeName({
  node,
  onRename,
  ...field
}: { node: Node; onRename: (name: string) => void } & Pick<TextInputProps, "className" | "description" | "w">) {
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
      {...field}
      value={name}
      error={problem}
      onChange={(event) => setTyped(event.currentTarget.value)}
      onBlur={take}
      onKeyDown={(event) => event.key === "Enter" && take()}
    />
  );
}
