/** What a data node is tested with: made-up data, chosen here or in Test. */

import { Button, Group, Stack, Text, Title } from "@mantine/core";
import { useState } from "react";

import { useDatasets } from "../../../app/queries";
import type { DataNode } from "../../../core/nodes";
import { useDraft } from "../../../drafts/useDraft";
import { TestDataDialog } from "../test/TestDataDialog";

export function TestDatum({ node }: { node: DataNode }) {
  const { draft, setTest } = useDraft();
  const [choosing, setChoosing] = useState(false);
  const datasets = useDatasets();
  const chosen = Object.hasOwn(draft.tests, node.id) ? draft.tests[node.id] : undefined;
  const known = datasets.data?.find((each) => each.id === chosen);
  return (
    <Stack gap="xs">
      <Title order={2} size="h4">
        Test data
      </Title>
      <Text size="sm" c="dimmed">
        Made-up data that the computations can be tested with before the room is published. It is not part of the room.
      </Text>
      <Group>
        <Text size="sm">{chosen === undefined ? "None: it is tested empty." : (known?.name ?? "A dataset")}</Text>
        <Button variant="default" size="xs" onClick={() => setChoosing(true)}>
          {chosen === undefined ? "Choose test data" : "Choose other test data"}
        </Button>
        {chosen !== undefined && (
          <Button variant="default" size="xs" onClick={() => setTest(node.id, null)}>
            Test it empty
          </Button>
        )}
      </Group>
      {choosing && <TestDataDialog node={node} onClose={() => setChoosing(false)} />}
    </Stack>
  );
}
