/** The user's datasets: encrypted files, and where they are attached. */

import { ActionIcon, Anchor, Button, Group, Paper, Stack, Table, Text } from "@mantine/core";
import { IconDownload, IconTrash, IconUpload } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";

import { useDatasets } from "../../app/queries";
import { useClient } from "../../app/session";
import { useSeveralRooms, useSeveralStatuses } from "../../app/several";
import type { OwnDataset } from "../../client/datasets";
import { bytes, moment } from "../../components/format";
import { Hex } from "../../components/Hex";
import { Loaded, Page } from "../../components/Page";
import { Problem } from "../../components/Problem";
import { Search } from "../../components/Search";
import { type Held, held } from "./attachments";
import styles from "./Datasets.module.css";
import { DeleteDataset } from "./DeleteDataset";
import { NewDataset } from "./NewDataset";
import { saving } from "./saving";
import { transfers } from "./transfers";
import { Under } from "./Under";

export function Component() {
  const query = useDatasets();
  const [uploading, setUploading] = useState(false);
  return (
    <Page
      title="Datasets"
      subtitle="Files that only your devices can read. Rooms compute with them where you attach them."
      actions={
        <Button leftSection={<IconUpload size={16} aria-hidden />} onClick={() => setUploading(true)}>
          Upload a file
        </Button>
      }
    >
      {uploading && <NewDataset onClose={() => setUploading(false)} />}
      <Under />
      <Loaded query={query}>{(all) => <Listed all={all} />}</Loaded>
    </Page>
  );
}

function Listed({ all }: { all: readonly OwnDataset[] }) {
  const [search, setSearch] = useState("");
  const wanted = search.trim().toLocaleLowerCase();
  const shown = all.filter(({ name, description }) => `${name}\n${description}`.toLocaleLowerCase().includes(wanted));
  const rooms = useSeveralRooms([...new Set(all.flatMap(({ attached }) => attached.map(({ room }) => room)))]);
  const known = [...rooms.values()].flatMap(({ data }) => data ?? []);
  const statuses = useSeveralStatuses(known);
  const [deleted, setDeleted] = useState<OwnDataset | null>(null);
  if (all.length === 0) {
    return (
      <Paper withBorder p="md">
        <Text size="sm" c="dimmed">
          You have none yet. Upload a file here, or in a room that asks for your data: both keep it as a dataset.
        </Text>
      </Paper>
    );
  }
  const asked = (id: string) => {
    const definition = rooms.get(id)?.data?.definition;
    return definition && { definition, status: statuses.get(id)?.data };
  };
  return (
    <>
      {deleted !== null && <DeleteDataset dataset={deleted} onClose={() => setDeleted(null)} />}
      <Search label="Search for datasets" value={search} onChange={setSearch} />
      <Table.ScrollContainer minWidth={640}>
        <Table verticalSpacing="sm" highlightOnHover aria-label="Datasets">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Name</Table.Th>
              <Table.Th>Size</Table.Th>
              <Table.Th>Uploaded</Table.Th>
              <Table.Th>Attached to</Table.Th>
              <Table.Th aria-label="Actions" />
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {shown.map((dataset) => (
              <Row
                key={dataset.id}
                dataset={dataset}
                places={held(dataset, asked)}
                onDelete={() => setDeleted(dataset)}
              />
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </>
  );
}

function Row({ dataset, places, onDelete }: { dataset: OwnDataset; places: readonly Held[]; onDelete: () => void }) {
  const { datasets } = useClient();
  const { id, name, description, size, created } = dataset;
  const fetching = useMutation({
    mutationFn: async () => {
      const work = await saving(datasets, id, name, size);
      if (work !== null) {
        void transfers.run("download", name, work);
      }
    },
  });
  return (
    <Table.Tr>
      <Table.Td className={styles["name"]}>
        <Text size="sm" fw={600}>
          {name}
        </Text>
        {description !== "" && (
          <Text size="xs" c="dimmed" lineClamp={3}>
            {description}
          </Text>
        )}
        {fetching.error !== null && <Problem error={fetching.error} />}
      </Table.Td>
      <Table.Td>{bytes(size)}</Table.Td>
      <Table.Td>{moment(created)}</Table.Td>
      <Table.Td className={styles["name"]}>
        <Stack gap={2}>
          {places.map((each) => (
            <Place key={`${each.room}/${each.node}`} is={each} />
          ))}
        </Stack>
      </Table.Td>
      <Table.Td>
        <Group gap={4} wrap="nowrap" justify="flex-end">
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={`Download ${name}`}
            loading={fetching.isPending}
            onClick={() => fetching.mutate()}
          >
            <IconDownload size={16} />
          </ActionIcon>
          <ActionIcon variant="subtle" color="gray" aria-label={`Delete ${name}`} onClick={onDelete}>
            <IconTrash size={16} />
          </ActionIcon>
        </Group>
      </Table.Td>
    </Table.Tr>
  );
}

function Place({ is: { room, title, name, hold } }: { is: Held }) {
  return (
    <Group gap={4}>
      {title === null ? (
        <Hex value={room} what="room id" />
      ) : (
        <Anchor component={Link} to={`/rooms/${room}`} size="sm">
          {title}
        </Anchor>
      )}
      <Text size="sm" c="dimmed">
        {name}
        {hold === "stopped" && " (stopped)"}
      </Text>
    </Group>
  );
}
