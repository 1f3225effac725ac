/** Everything that those in a room agree to, so that it can be read: before it is published, and ever after. */

import { Alert, Badge, List, Stack, Table, Text, Title } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import type { ReactNode } from "react";

import type { ImageReference, Participant, Reference } from "../../core/records";
import * as software from "../../core/software";
import { Hex } from "../Hex";
import styles from "./Agreement.module.css";
import { type Agreed, computations, dataNodes } from "./agreed";
import { NodeList } from "./NodeList";

interface AgreementProps {
  agreed: Agreed;
  /** The id of the node that is shown at once. */
  open?: string | undefined;
  /** Of its headings. */
  order?: 2 | 3;
}

export function Agreement({ agreed, open, order = 2 }: AgreementProps) {
  const names = new Map(agreed.nodes.map((node) => [node.id, node.name]));
  const nameOf = (id: string): string => names.get(id) ?? id;
  return (
    <Stack gap="xl">
      {agreed.description !== "" && (
        <Section order={order} title="Description">
          <Text size="sm">{agreed.description}</Text>
        </Section>
      )}
      <Section order={order} title="People">
        <People agreed={agreed} nameOf={nameOf} />
      </Section>
      <Section order={order} title="Data">
        <NodeList
          agreed={agreed}
          nodes={dataNodes(agreed)}
          nameOf={nameOf}
          open={open}
          order={order === 2 ? 3 : 4}
          none="No data goes in."
        />
      </Section>
      <Section order={order} title="Computations">
        <NodeList
          agreed={agreed}
          nodes={computations(agreed)}
          nameOf={nameOf}
          open={open}
          order={order === 2 ? 3 : 4}
          none="Nothing is computed."
        />
      </Section>
      <Section order={order} title="Privacy budget">
        <Text size="sm">
          {agreed.privacy_budget === undefined
            ? "None: computations with differential privacy may be run as often as anybody wants. What they have cost is shown."
            : `Epsilon ${agreed.privacy_budget}: once computations with differential privacy have cost the data of a node that much, they can't be run over it any more.`}
        </Text>
      </Section>
      <Section order={order} title="Where it runs">
        <Places agreed={agreed} />
      </Section>
    </Stack>
  );
}

function Section({ title, order, children }: { title: string; order: 2 | 3; children: ReactNode }) {
  return (
    <section>
      <Title order={order} size="h4" mb="sm">
        {title}
      </Title>
      {children}
    </section>
  );
}

function People({ agreed, nameOf }: { agreed: Agreed; nameOf: (id: string) => string }) {
  return (
    <Stack gap="xs">
      <Table.ScrollContainer minWidth={640} type="native">
        <Table verticalSpacing="xs">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Who</Table.Th>
              <Table.Th>Provides the data of</Table.Th>
              <Table.Th>May run, and see the results of</Table.Th>
              <Table.Th>Pinned device keys</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {agreed.participants.map((entry) => (
              <Person key={entry.user} entry={entry} owner={entry.user === agreed.owner} nameOf={nameOf} />
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      <Text size="sm">
        The owner has written all this, and may end the room, which deletes all data and results in it. Everybody who is
        listed sees all that stands here, and the audit log.
      </Text>
      <Text size="sm">
        {agreed.pins_required
          ? "Only the device keys that stand here may come in: nobody can vouch for another one."
          : "Other device keys come in by the word of an issuer of identities (below); everybody sees each of them in the audit log."}
      </Text>
    </Stack>
  );
}

function Person({ entry, owner, nameOf }: { entry: Participant; owner: boolean; nameOf: (id: string) => string }) {
  return (
    <Table.Tr>
      <Table.Td>
        <bdi>{entry.user}</bdi> {owner && <Badge variant="light">Owner</Badge>}
      </Table.Td>
      <Table.Td>{entry.data_owner_of.map(nameOf).join(", ") || "nothing"}</Table.Td>
      <Table.Td>{entry.analyst_of.map(nameOf).join(", ") || "nothing"}</Table.Td>
      <Table.Td>
        {entry.keys.length === 0 ? "none" : entry.keys.map((key) => <Hex key={key} value={key} what="device key" />)}
      </Table.Td>
    </Table.Tr>
  );
}

function Places({ agreed }: { agreed: Agreed }) {
  const unprotected = [...agreed.enclaves, ...agreed.workers].some((each) => each.evidence === software.TYPE);
  return (
    <Stack gap="sm">
      {unprotected && (
        <Alert color="red" icon={<IconAlertTriangle aria-hidden />} title="Software enclave: no protection">
          This room runs without a trusted execution environment. Whoever operates the server could see the data.
        </Alert>
      )}
      <Text size="sm">
        Only software with these measurements gets any data. Another release of it, or another image, is another
        measurement: it would take another room.
      </Text>
      <Table.ScrollContainer minWidth={520} type="native">
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>What</Table.Th>
              <Table.Th>Evidence</Table.Th>
              <Table.Th>Measurement</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {agreed.enclaves.map((each) => (
              <Measured key={each.evidence + each.measurement} what="Enclave" reference={each} />
            ))}
            {agreed.workers.map((each) => (
              <Measured
                key={each.evidence + each.measurement}
                what="Worker, which runs the containers"
                reference={each}
              />
            ))}
            {agreed.images.map((image) => (
              <Image key={image.name} image={image} />
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      <Issuers issuers={agreed.issuers} />
    </Stack>
  );
}

function Measured({ what, reference: { evidence, measurement } }: { what: string; reference: Reference }) {
  return (
    <Table.Tr>
      <Table.Td>{what}</Table.Td>
      <Table.Td>
        {evidence === software.TYPE ? <Badge color="red">{evidence}</Badge> : <Badge variant="light">{evidence}</Badge>}
      </Table.Td>
      <Table.Td>
        <Hex value={measurement} what="measurement" length={24} />
      </Table.Td>
    </Table.Tr>
  );
}

function Image({ image: { name, measurement } }: { image: ImageReference }) {
  return (
    <Table.Tr>
      <Table.Td>
        Image <bdi>{name}</bdi>
      </Table.Td>
      <Table.Td>checked by the worker</Table.Td>
      <Table.Td>
        <Hex value={measurement} what={`measurement of the image ${name}`} length={24} />
      </Table.Td>
    </Table.Tr>
  );
}

function Issuers({ issuers }: { issuers: Agreed["issuers"] }) {
  if (issuers === undefined) {
    return <Text size="sm">The keys that this hub signs identities with are added when the room is published.</Text>;
  }
  if (issuers.length === 0) {
    return <Text size="sm">Nobody vouches for identities: pinned keys alone come in.</Text>;
  }
  return (
    <Stack gap={4}>
      <Text size="sm">These may vouch for which device belongs to whom:</Text>
      <List size="sm" className={styles["issuers"] ?? ""}>
        {issuers.map(({ name, keys }) => (
          <List.Item key={name}>
            <bdi>{name}</bdi>, with{" "}
            {keys.map((key) => (
              <Hex key={key} value={key} what={`key of ${name}`} />
            ))}
          </List.Item>
        ))}
      </List>
    </Stack>
  );
}
