/** What one participant does in a room: what comes next first, then all of it by their roles. */

import { Stack, Title } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { keys, useStatus } from "../../../app/queries";
import { useSession } from "../../../app/session";
import type { LiveStatus } from "../../../client/room";
import { Loaded } from "../../../components/Page";
import { wordsFor } from "../../../components/Problem";
import { ProvisionDialog } from "../../../components/upload/ProvisionDialog";
import { type DataNode, isRunNode, nodeOf } from "../../../core/nodes";
import type { TabProps } from "../RoomPage";
import { ComputationCard } from "./ComputationCard";
import { DataCard } from "./DataCard";
import { jobsOver } from "./jobs";
import { NextSteps } from "./NextSteps";
import { Others } from "./Others";
import { ReceiptCheck } from "./receipt/ReceiptCheck";
import { removed } from "./removal";
import { ResultDialog } from "./result/ResultDialog";
import { attachedData, inputsOf, invalidTables, nodesOf } from "./states";
import { nextSteps } from "./steps";
import { useJobs } from "./useJobs";

export default function OverviewTab({ room }: TabProps) {
  const status = useStatus(room);
  return <Loaded query={status}>{(now) => <Overview room={room} status={now} />}</Loaded>;
}

function Overview({ room, status }: TabProps & { status: LiveStatus }) {
  const { email } = useSession();
  const { jobs, current } = useJobs(room);
  const [providing, setProviding] = useState<{ node: DataNode; before: string | undefined } | null>(null);
  const [shown, setShown] = useState<{ node: string; job: string } | null>(null);
  const queries = useQueryClient();
  const { definition } = room;
  const attached = attachedData(status);
  const over = (node: string): string => inputsOf(definition, node, attached);
  const runs = jobsOver(current, over);
  const invalid = invalidTables(definition, runs);
  const mine = nodesOf(definition, email);
  const run = (node: string): void => {
    tried(jobs.start(node, over(node)));
  };
  const look = (node: string): void => {
    const job = runs.get(node)?.job;
    setShown(job === undefined ? null : { node, job });
    tried(jobs.look(node));
  };
  const provide = (node: DataNode): void => setProviding({ node, before: attached.get(node.id) });
  const replace = async (node: DataNode): Promise<void> => {
    if (await removed(room, node, "provide")) {
      await queries.invalidateQueries({ queryKey: keys.status(room.id) });
      provide(node);
    }
  };
  const provided = async (node: DataNode, before: string | undefined): Promise<void> => {
    setProviding(null);
    await queries.invalidateQueries({ queryKey: keys.status(room.id) });
    const now = queries.getQueryData<LiveStatus>(keys.status(room.id));
    const there = now === undefined ? attached : attachedData(now);
    if (node.kind === "table_data" && there.has(node.id) && there.get(node.id) !== before) {
      // Whoever provides a table wants to know what is wrong with it before others run into that.
      tried(jobs.start(node.id, inputsOf(definition, node.id, there)));
    }
  };
  const resultNode = shown === null ? undefined : nodeOf(definition, shown.node);
  return (
    <Stack gap="xl">
      <NextSteps
        user={email}
        stopped={status.stopped}
        steps={nextSteps(definition, email, status, runs)}
        onProvide={provide}
        onReplace={(node) => tried(replace(node))}
        onRun={run}
        onLook={look}
      />
      {mine.data.length > 0 && (
        <Stack component="section" aria-labelledby="your-data">
          <Title order={2} size="h4" id="your-data">
            Data that you provide
          </Title>
          {mine.data.map((node) => (
            <DataCard
              key={node.id}
              room={room}
              node={node}
              status={status}
              job={runs.get(node.id)}
              invalid={invalid.has(node.id)}
              onProvide={() => provide(node)}
              onValidate={() => run(node.id)}
              onCancel={() => tried(jobs.cancel(node.id))}
              onLook={() => look(node.id)}
            />
          ))}
        </Stack>
      )}
      {mine.computations.length > 0 && (
        <Stack component="section" aria-labelledby="your-computations">
          <Title order={2} size="h4" id="your-computations">
            Computations that you may run
          </Title>
          {mine.computations.map((node) => (
            <ComputationCard
              key={node.id}
              room={room}
              node={node}
              status={status}
              invalid={invalid}
              job={runs.get(node.id)}
              onRun={() => run(node.id)}
              onCancel={() => tried(jobs.cancel(node.id))}
              onLook={() => look(node.id)}
            />
          ))}
        </Stack>
      )}
      <Others definition={definition} nodes={mine.others} attached={attached} />
      <ReceiptCheck room={room} />
      {providing !== null && (
        <ProvisionDialog
          room={room}
          node={providing.node}
          onDone={() => void provided(providing.node, providing.before)}
        />
      )}
      {shown !== null && resultNode !== undefined && isRunNode(resultNode) && (
        <ResultDialog
          room={room}
          node={resultNode}
          job={shown.job}
          onClose={() => setShown(null)}
          onRunAgain={() => {
            setShown(null);
            run(resultNode.id);
          }}
        />
      )}
    </Stack>
  );
}

/** What goes wrong before a run is under way, or while it is to be ended, is told. */
function tried(work: Promise<unknown>): void {
  work.catch((error: unknown) =>
    notifications.show({ color: "red", title: "That did not work", message: wordsFor(error) }),
  );
}
