/** What each data node is tested with: nothing, a dataset, or a file, which becomes a dataset. */

import { Button, FileButton, Group, Select, Stack, Table, Text } from "@mantine/core";
import { IconFileUpload } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { keys, useDatasets } from "../../../app/queries";
import { useClient } from "../../../app/session";
import type { OwnDataset } from "../../../client/datasets";
import type { TransferProgress } from "../../../client/progress";
import { bytes, moment } from "../../../components/format";
import { KINDS } from "../../../components/kinds";
import { Loaded } from "../../../components/Page";
import { Problem } from "../../../components/Problem";
import { Transfer } from "../../../components/upload/Transfer";
import { manifestDigest } from "../../../core/dataset";
import { type DataNode, isDataNode } from "../../../core/nodes";
import { useDraft } from "../../../drafts/useDraft";
import { testOf } from "./draftTest";
import { TestDataDialog } from "./TestDataDialog";

const NOTHING = "";

export function TestData({ disabled }: { disabled: boolean }) {
  const { configuration } = useDraft();
  const datasets = useDatasets();
  const nodes = configuration.nodes.filter(isDataNode);
  if (nodes.length === 0) {
    return null;
  }
  return (
    <Stack gap="xs">
      <Text size="sm" c="dimmed">
        Use made-up data, not anybody's real one. What has none is empty, which scripts may fail on. A file for a table
        is read and checked before it is uploaded; a dataset that you choose is taken as it is.
      </Text>
      <Loaded query={datasets}>
        {(all) => (
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Data</Table.Th>
                <Table.Th>Is tested with</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {nodes.map((node) => (
                <TestDataRow key={node.id} node={node} datasets={all} disabled={disabled} />
              ))}
            </Table.Tbody>
          </Table>
        )}
      </Loaded>
    </Stack>
  );
}

interface RowProps {
  node: DataNode;
  datasets: readonly OwnDataset[];
  disabled: boolean;
}

function TestDataRow({ node, datasets, disabled }: RowProps) {
  const { id, configuration, draft, setTest } = useDraft();
  const client = useClient();
  const queries = useQueryClient();
  const [progress, setProgress] = useState<TransferProgress | null>(null);
  const [ending, setEnding] = useState<AbortController>();
  const [choosing, setChoosing] = useState(false);
  const upload = useMutation({
    mutationFn: async (file: File) => {
      const controller = new AbortController();
      setEnding(controller);
      setProgress(null);
      const label = { name: file.name, description: `To test ${node.name} of ${configuration.title}`.slice(0, 4096) };
      const { signal } = controller;
      const uploaded = await client.datasets.upload(file, label, { onProgress: setProgress, signal });
      const dataset = manifestDigest(uploaded.manifest);
      testOf(id).uploaded.set(dataset, uploaded);
      return dataset;
    },
    onSuccess: async (dataset) => {
      setTest(node.id, dataset);
      await queries.invalidateQueries({ queryKey: keys.datasets });
    },
  });
  const chosen = Object.hasOwn(draft.tests, node.id) ? (draft.tests[node.id] ?? NOTHING) : NOTHING;
  const known = chosen === NOTHING || datasets.some((each) => each.id === chosen);
  const choices = [
    { value: NOTHING, label: "Nothing: it is empty" },
    ...(known ? [] : [{ value: chosen, label: "A dataset that is gone" }]),
    ...datasets.map((each) => ({ value: each.id, label: labelOf(each) })),
  ];
  const { icon: Icon, label } = KINDS[node.kind];
  return (
    <Table.Tr>
      <Table.Td>
        <Group gap="xs" wrap="nowrap">
          <Icon size={18} aria-label={label} role="img" />
          <bdi>{node.name}</bdi>
        </Group>
      </Table.Td>
      <Table.Td>
        {upload.isPending ? (
          <Transfer progress={progress} onCancel={() => ending?.abort()} />
        ) : (
          <Stack gap="xs">
            <Group wrap="nowrap" align="flex-start">
              <Select
                flex={1}
                aria-label={`Test data of ${node.name}`}
                data={choices}
                value={chosen}
                onChange={(value) => setTest(node.id, value === null || value === NOTHING ? null : value)}
                allowDeselect={false}
                searchable
                nothingFoundMessage="No dataset of that name"
                disabled={disabled}
                error={known ? undefined : "It was deleted. Choose another one, or nothing."}
              />
              {node.kind === "table_data" ? (
                <ChooseFile node={node} disabled={disabled} onClick={() => setChoosing(true)} />
              ) : (
                <FileButton
                  onChange={(file) => file !== null && upload.mutate(file)}
                  inputProps={{ "aria-label": `File to test ${node.name} with` }}
                  disabled={disabled}
                >
                  {({ onClick }) => <ChooseFile node={node} disabled={disabled} onClick={onClick} />}
                </FileButton>
              )}
            </Group>
            {choosing && <TestDataDialog node={node} onClose={() => setChoosing(false)} />}
            {upload.error !== null && !isAbort(upload.error) && <Problem error={upload.error} />}
          </Stack>
        )}
      </Table.Td>
    </Table.Tr>
  );
}

function ChooseFile({ node, disabled, onClick }: { node: DataNode; disabled: boolean; onClick: () => void }) {
  return (
    <Button
      onClick={onClick}
      variant="default"
      aria-label={`File … to test ${node.name} with`}
      disabled={disabled}
      leftSection={<IconFileUpload size={16} aria-hidden />}
    >
      File …
    </Button>
  );
}

function labelOf({ name, size, created }: OwnDataset): string {
  return `${name} (${bytes(size)}, ${moment(created)})`;
}

function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}
