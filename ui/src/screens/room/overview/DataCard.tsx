/** A data node of one's own: whether it has data and since when, what its validation has found, and what can be done. */

import { Button, Card, Group, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";

import { keys } from "../../../app/queries";
import type { LiveStatus, Room } from "../../../client/room";
import { moment } from "../../../components/format";
import { Hex } from "../../../components/Hex";
import { Problem } from "../../../components/Problem";
import type { DataNode } from "../../../core/nodes";
import type { TableDataNode } from "../../../core/records";
import { attachment } from "./history";
import type { Job } from "./jobs";
import { NodeHead, type Standing } from "./NodeHead";
import { RunState } from "./RunState";
import { removed } from "./removal";
import { attachedData, providers } from "./states";
import { useKnownLog } from "./useKnownLog";
import { useOutcome } from "./useOutcome";

export function DataCard(props: DataCardProps) {
  return props.node.kind === "table_data" ? <TableCard {...props} node={props.node} /> : <NodeCard {...props} />;
}

function TableCard(props: DataCardProps & { node: TableDataNode }) {
  useOutcome(props.room, props.node, attachedData(props.status).get(props.node.id), props.job);
  return <NodeCard {...props} />;
}

interface DataCardProps {
  room: Room;
  node: DataNode;
  status: LiveStatus;
  /** The validation of a table. */
  job: Job | undefined;
  /** Whether it is known not to be valid. */
  invalid: boolean;
  onProvide: () => void;
  onValidate: () => void;
  onCancel: () => void;
  onLook: () => void;
}

function NodeCard({ room, node, status, job, invalid, onProvide, onValidate, onCancel, onLook }: DataCardProps) {
  const queries = useQueryClient();
  const removal = useMutation({
    mutationFn: async (then: "nothing" | "provide") => {
      if (await removed(room, node, then)) {
        await queries.invalidateQueries({ queryKey: keys.status(room.id) });
        if (then === "provide") {
          onProvide();
        }
      }
    },
  });
  const attached = attachedData(status);
  const manifest = attached.get(node.id);
  const others = providers(room.definition, node.id);
  return (
    <Card withBorder component="article" aria-label={node.name}>
      <Stack gap="sm">
        <NodeHead node={node} standing={standing(node, manifest !== undefined, job, invalid)}>
          {!status.stopped &&
            (manifest === undefined ? (
              <Button size="xs" onClick={onProvide} aria-label={`Provide data: ${node.name}`}>
                Provide data
              </Button>
            ) : (
              <Button
                size="xs"
                variant="default"
                onClick={() => removal.mutate("provide")}
                aria-label={`Replace data: ${node.name}`}
              >
                Replace
              </Button>
            ))}
          {manifest !== undefined && (
            <Button
              size="xs"
              variant="default"
              color="red"
              onClick={() => removal.mutate("nothing")}
              aria-label={`Remove data: ${node.name}`}
            >
              Remove
            </Button>
          )}
        </NodeHead>
        {removal.error !== null && <Problem error={removal.error} />}
        {manifest === undefined ? (
          <Text size="sm" c="dimmed">
            {node.required ? "Computations wait for it." : "Computations do without it, if need be."}
            {others.length > 1 && ` It can be provided by ${others.join(", ")}.`}
          </Text>
        ) : (
          <Attached room={room} node={node} manifest={manifest} />
        )}
        {node.kind === "table_data" && manifest !== undefined && !status.stopped && job?.state !== "waiting" && (
          <Group gap="xs">
            {job?.state === "finished" ? (
              <Button size="xs" variant="light" onClick={onLook} aria-label={`Validation report: ${node.name}`}>
                Validation report
              </Button>
            ) : (
              <Button size="xs" variant="light" onClick={onValidate} aria-label={`Validate now: ${node.name}`}>
                Validate now
              </Button>
            )}
            <Text size="xs" c="dimmed">
              {invalid
                ? "Computations that need this table fail: see what is wrong, and replace the data."
                : "A table is validated before any computation reads it."}
            </Text>
          </Group>
        )}
        {job !== undefined && job.state !== "finished" && (
          <RunState definition={room.definition} job={job} attached={attached} onCancel={onCancel} />
        )}
      </Stack>
    </Card>
  );
}

function standing(node: DataNode, there: boolean, job: Job | undefined, invalid: boolean): Standing {
  if (!there) {
    return node.required ? { label: "Needed", color: "yellow" } : { label: "Optional", color: "gray" };
  }
  if (job?.state === "waiting") {
    return { label: "Provided, being validated", color: "blue" };
  }
  if (invalid) {
    return { label: "Provided, not valid", color: "red" };
  }
  if (job?.state === "failed") {
    return { label: "Provided, not validated", color: "red" };
  }
  if (job?.passed === true) {
    return { label: "Provided, valid", color: "green" };
  }
  // Of a table nobody knows here yet whether it will do.
  return { label: "Provided", color: node.kind === "table_data" ? "gray" : "green" };
}

/** What is attached; when and by whom, where the log was read. */
function Attached({ room, node, manifest }: { room: Room; node: DataNode; manifest: string }) {
  const log = useKnownLog(room);
  const known = log === undefined ? undefined : attachment(log.events, node.id, manifest);
  return (
    <Group gap="xs">
      <Text size="sm">
        {known === undefined ? "Attached" : `Attached ${moment(known.time)} by ${known.by}`}, with the digest
      </Text>
      <Hex value={manifest} what={`digest of ${node.name}`} />
    </Group>
  );
}
