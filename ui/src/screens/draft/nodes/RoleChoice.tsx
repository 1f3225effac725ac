/** Who has a role on a node. */

import { Anchor, MultiSelect } from "@mantine/core";
import { Link } from "react-router";

import type { Node } from "../../../core/records";
import { setRole } from "../../../drafts/edits";
import { useDraft } from "../../../drafts/useDraft";

/** @param about What the role is, in a sentence. */
export function RoleChoice({
  node,
  of,
  label,
  about,
}: {
  node: Node;
  of: "data_owner_of" | "analyst_of";
  label: string;
  about: string;
}) {
  const { id, configuration, edit } = useDraft();
  const people = configuration.participants;
  const those = people.filter((each) => each[of].includes(node.id)).map((each) => each.user);
  const choose = (wanted: string[]): void => {
    for (const { user } of people) {
      if (wanted.includes(user) !== those.includes(user)) {
        edit(setRole(user, of, node.id, wanted.includes(user)));
      }
    }
  };
  return (
    <MultiSelect
      label={label}
      description={
        <>
          {about} Add people in{" "}
          <Anchor component={Link} to={`/drafts/${id}/permissions`} size="xs" underline="always">
            Permissions
          </Anchor>
          .
        </>
      }
      placeholder={those.length === 0 ? "Nobody yet" : undefined}
      data={people.map((each) => each.user)}
      value={those}
      onChange={choose}
      searchable
      maw={640}
    />
  );
}
