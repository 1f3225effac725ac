/** The picture of a published room, with how it stands. */

import { Alert, Stack, Text } from "@mantine/core";
import { useCallback, useMemo } from "react";
import { useNavigate } from "react-router";

import { useStatus } from "../../app/queries";
import { RoomGraph } from "../../components/graph/RoomGraph";
import { statesOf } from "../../components/graph/states";
import { Problem } from "../../components/Problem";
import type { Node } from "../../core/records";
import { jobsOver } from "./overview/jobs";
import { attachedData, inputsOf } from "./overview/states";
import { useJobs } from "./overview/useJobs";
import { useKnownLog } from "./overview/useKnownLog";
import type { TabProps } from "./RoomPage";

export default function PictureTab({ room }: TabProps) {
  const { data: status, error } = useStatus(room);
  const { current } = useJobs(room);
  const log = useKnownLog(room);
  const navigate = useNavigate();
  const states = useMemo(() => {
    if (status === undefined) {
      return undefined;
    }
    const attached = attachedData(status);
    const runs = jobsOver(current, (node) => inputsOf(room.definition, node, attached));
    return statesOf(room.definition, status.attached, log?.events, runs);
  }, [room, status, log, current]);
  const open = useCallback(
    (node: Node) => void navigate(`/rooms/${room.id}/definition?node=${encodeURIComponent(node.id)}`),
    [room, navigate],
  );
  return (
    <Stack>
      {error !== null && <Problem error={error} />}
      {status?.stopped === true && <Alert color="red" title="This room was stopped" />}
      {log === undefined && (
        <Text size="sm" c="dimmed">
          Runs of others are shown here once you have read the audit log, which everybody sees that you do.
        </Text>
      )}
      <RoomGraph room={room.definition} {...(states === undefined ? {} : { states })} onOpen={open} />
    </Stack>
  );
}
