/** One of the datasets that the user has uploaded before. */

import { Button, Group, Radio, ScrollArea, Stack, Text } from "@mantine/core";
import { useState } from "react";

import { useDatasets } from "../../app/queries";
import type { OwnDataset } from "../../client/datasets";
import { bytes, moment } from "../format";
import { Loaded } from "../Page";

/** @param action What choosing one does. */
export function DatasetChoice({ action, onChosen }: { action: string; onChosen: (id: string) => void }) {
  return <Loaded query={useDatasets()}>{(all) => <Listed all={all} action={action} onChosen={onChosen} />}</Loaded>;
}

function Listed({
  all,
  action,
  onChosen,
}: {
  all: readonly OwnDataset[];
  action: string;
  onChosen: (id: string) => void;
}) {
  const [chosen, setChosen] = useState<string | null>(null);
  if (all.length === 0) {
    return <Text>You have no datasets yet. Upload a file instead: it is kept as a dataset, too.</Text>;
  }
  return (
    <Stack>
      <ScrollArea.Autosize mah={360}>
        <Radio.Group label="Your datasets" value={chosen} onChange={setChosen}>
          <Stack gap="xs" mt="xs">
            {all.map(({ id, name, description, size, created }) => (
              <Radio.Card key={id} value={id} p="xs" aria-label={name}>
                <Group wrap="nowrap">
                  <Radio.Indicator />
                  <div>
                    <Text size="sm">{name}</Text>
                    {description !== "" && <Text size="xs">{description}</Text>}
                    <Text size="xs" c="dimmed">
                      {bytes(size)}, {moment(created)}
                    </Text>
                  </div>
                </Group>
              </Radio.Card>
            ))}
          </Stack>
        </Radio.Group>
      </ScrollArea.Autosize>
      <Group justify="flex-end">
        <Button disabled={chosen === null} onClick={() => chosen !== null && onChosen(chosen)}>
          {action}
        </Button>
      </Group>
    </Stack>
  );
}
