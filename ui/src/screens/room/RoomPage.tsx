/** A published room, for one of its participants. */

import { Anchor, Badge, Group } from "@mantine/core";
import { lazy } from "react";
import { Link, useParams } from "react-router";

import { useLive, useRoom, useStatus } from "../../app/queries";
import type { Room } from "../../client/room";
import { Hex } from "../../components/Hex";
import { Loaded, Page } from "../../components/Page";
import { PageTabs } from "../../components/PageTabs";
import { RoomActions } from "./RoomActions";

/** What each tab is given. */
export interface TabProps {
  room: Room;
}

const TABS = [
  { name: "overview", label: "Overview", Tab: lazy(() => import("./overview/OverviewTab")) },
  { name: "definition", label: "Definition", Tab: lazy(() => import("./definition/DefinitionTab")) },
  { name: "picture", label: "Picture", Tab: lazy(() => import("./PictureTab")) },
  { name: "audit", label: "Audit log", Tab: lazy(() => import("./audit/AuditTab")) },
  { name: "trust", label: "Trust", Tab: lazy(() => import("./trust/TrustTab")) },
] as const;

export function Component() {
  const { id = "" } = useParams();
  const query = useRoom(id);
  const elsewhere = (
    <Anchor component={Link} to="/">
      Go to your clean rooms
    </Anchor>
  );
  return (
    <Loaded query={query} elsewhere={elsewhere}>
      {(room) => <RoomView key={room.id} room={room} />}
    </Loaded>
  );
}

function RoomView({ room }: TabProps) {
  const status = useStatus(room);
  useLive(room);
  const head = (
    <Group gap="xs">
      <Hex value={room.id} what="room id" />
      {status.data?.stopped === true && <Badge color="red">Stopped</Badge>}
    </Group>
  );
  return (
    <Page title={room.definition.title} subtitle={head} actions={<RoomActions room={room} />}>
      <PageTabs tabs={TABS} base={`/rooms/${room.id}`} given={{ room }} />
    </Page>
  );
}
