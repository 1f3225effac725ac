/** The picture of a published room, with how it stands. */

import { Alert, Stack } from "@mantine/core";
import { useCallback, useMemo } from "react";
import { useNavigate } from "react-router";

import { useStatus } from "../../app/queries";
import { RoomGraph } from "../../components/graph/RoomGraph";
import { statesOf } from "../../components/graph/states";
import { Problem } from "../../components/Problem";
import type { Node } from "../../core/records";
import type { TabProps } from "./RoomPage";

export default function PictureTab({ room }: TabProps) {
  const { data: status, error } = useStatus(room);
  const navigate = useNavigate();
  const states = useMemo(
    () => (status === undefined ? undefined : statesOf(room.definition, status.attached)),
    [room, status],
  );
  const open = useCallback(
    (node: Node) => void navigate(`/rooms/${room.id}/definition?node=${encodeURIComponent(node.id)}`),
    [room, navigate],
  );
  return (
    <Stack>
      {error !== null && <Problem error={error} />}
      {status?.stopped === true && <Alert color="red" title="This room was stopped" />}
      <RoomGraph room={room.definition} {...(states === undefined ? {} : { states })} onOpen={open} />
    </Stack>
  );
}
