import type { TabProps } from "../RoomPage";

export default function TrustTab(_: TabProps) {
  return null;
}
