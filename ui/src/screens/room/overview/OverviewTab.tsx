import type { TabProps } from "../RoomPage";

export default function OverviewTab(_: TabProps) {
  return null;
}
