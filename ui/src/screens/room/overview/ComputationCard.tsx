/** A computation that one may run: what it waits for or costs, how it runs, and its result. */

import { Button, Card, Stack, Text } from "@mantine/core";

import { useSession } from "../../../app/session";
import type { LiveStatus, Room } from "../../../client/room";
import { bytes } from "../../../components/format";
import type { ComputeNode } from "../../../core/nodes";
import type { PreviewNode } from "../../../core/records";
import { previewed } from "./history";
import type { Job } from "./jobs";
import { NodeHead, type Standing } from "./NodeHead";
import { RunState } from "./RunState";
import { attachedData, beyondBudget, type Cost, costs, type Wanted, waitsFor } from "./states";
import { listed } from "./steps";
import { useKnownLog } from "./useKnownLog";

export function ComputationCard({
  room,
  node,
  status,
  invalid,
  job,
  onRun,
  onCancel,
  onLook,
}: {
  room: Room;
  node: ComputeNode;
  status: LiveStatus;
  /** Tables that are known not to be valid. */
  invalid: ReadonlySet<string>;
  job: Job | undefined;
  onRun: () => void;
  onCancel: () => void;
  onLook: () => void;
}) {
  const { email } = useSession();
  const attached = attachedData(status);
  const wanted = waitsFor(room.definition, node.id, attached, invalid);
  const cost = costs(room.definition, node.id, status);
  const ready = wanted.length === 0 && !status.stopped && job?.state !== "waiting";
  return (
    <Card withBorder component="article" aria-label={node.name}>
      <Stack gap="sm">
        <NodeHead node={node} standing={standing(wanted, job)}>
          {job?.state === "finished" && !status.stopped && (
            <Button size="xs" onClick={onLook} aria-label={`Result: ${node.name}`}>
              Result
            </Button>
          )}
          {ready && job?.state !== "finished" && (
            <Button size="xs" onClick={onRun} aria-label={`${job === undefined ? "Run" : "Run again"}: ${node.name}`}>
              {job === undefined ? "Run" : "Run again"}
            </Button>
          )}
        </NodeHead>
        {wanted.map(({ node: needed, by, invalid: unusable }) => (
          <Text key={needed.id} size="sm" c="dimmed">
            Waits for {unusable && "valid "}data of {needed.name}
            {by.length > 0 &&
              `, which ${listed(
                by.map((each) => (each === email ? "you" : each)),
                "or",
              )} can provide`}
            .
          </Text>
        ))}
        {/* Of what runs, or has a result, it is paid already. */}
        {cost.length > 0 && job?.state !== "waiting" && job?.state !== "finished" && <Costs all={cost} />}
        {node.kind === "preview" && <Quota room={room} node={node} />}
        {job !== undefined && (
          <RunState definition={room.definition} job={job} attached={attached} onCancel={onCancel} />
        )}
      </Stack>
    </Card>
  );
}

function standing(wanted: readonly Wanted[], job: Job | undefined): Standing {
  switch (job?.state) {
    case "waiting":
      return { label: "Running", color: "blue" };
    case "finished":
      return { label: "Result ready", color: "green" };
    case "failed":
      return { label: "Failed", color: "red" };
    default:
      return wanted.length > 0
        ? { label: "Waits for data", color: "yellow" }
        : { label: "Ready to run", color: "gray" };
  }
}

function Costs({ all }: { all: readonly Cost[] }) {
  return (
    <Stack gap={2}>
      {all.map(({ node, epsilon, spent, left }) => (
        <Text key={node.id} size="sm">
          Costs up to epsilon {figure(epsilon)} of the privacy of {node.name}:{" "}
          {left === null
            ? `${figure(spent)} were spent, and the room sets no budget.`
            : `${figure(left)} of ${figure(spent + left)} are left.`}
        </Text>
      ))}
      <Text size="xs" c={beyondBudget(all) ? "red" : "dimmed"}>
        {beyondBudget(all)
          ? "That is more than is left: only a result that is there already can be had."
          : "A result over the same data that is there already costs nothing."}
      </Text>
    </Stack>
  );
}

function Quota({ room, node }: { room: Room; node: PreviewNode }) {
  const { email } = useSession();
  const log = useKnownLog(room);
  const used = log === undefined ? undefined : previewed(log.events, node.id, email);
  return (
    <Text size="sm" c="dimmed">
      {used === undefined
        ? `You may fetch ${bytes(node.quota_bytes)} of it in all; the audit log tells how much you have had.`
        : `You have fetched ${bytes(used)} of the ${bytes(node.quota_bytes)} that you may.`}{" "}
      Each fetch of a new result counts; what you have fetched before is free.
    </Text>
  );
}

function figure(value: number): string {
  return String(Number(value.toPrecision(4)));
}
