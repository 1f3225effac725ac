/** Who may do what: the same permissions, by person and by node. */

import { Accordion, Alert, Group, SegmentedControl, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { Search } from "../../../components/Search";
import { useDraft } from "../../../drafts/useDraft";
import { AddPeople } from "./AddPeople";
import { ByNode } from "./ByNode";
import { ByPerson } from "./ByPerson";
import styles from "./Permissions.module.css";
import { Pins } from "./Pins";
import { gaps } from "./people";

export default function PermissionsTab() {
  const { configuration } = useDraft();
  const [by, setBy] = useState("person");
  const [search, setSearch] = useState("");
  const [advanced, setAdvanced] = useState<string | null>(null);
  const missing = gaps(configuration);
  return (
    <Stack>
      <Text size="sm">
        All participants may read everything that is described here, scripts too, and the log. Who provides data may
        attach and remove it; who may run a computation may fetch its result, whatever it is computed from.
      </Text>
      <AddPeople />
      {missing.length > 0 && (
        <Alert color="yellow" title="Is that meant to be so?">
          {missing.map((each) => (
            <Text key={each} size="sm" className={styles["gap"] ?? ""}>
              {each}
            </Text>
          ))}
        </Alert>
      )}
      <Group>
        <SegmentedControl
          aria-label="How to list them"
          value={by}
          onChange={setBy}
          data={[
            { value: "person", label: "By person" },
            { value: "node", label: "By data and computation" },
          ]}
        />
        <Search
          label="Search in the permissions"
          placeholder="Search for people, data or computations"
          value={search}
          onChange={setSearch}
        />
      </Group>
      {by === "person" ? <ByPerson search={search} /> : <ByNode search={search} />}
      <Accordion variant="contained" value={advanced} onChange={setAdvanced}>
        <Accordion.Item value="pins">
          <Accordion.Control>Advanced: pinned keys</Accordion.Control>
          <Accordion.Panel>{advanced === "pins" && <Pins />}</Accordion.Panel>
        </Accordion.Item>
      </Accordion>
    </Stack>
  );
}
