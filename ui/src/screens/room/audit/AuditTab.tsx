import type { TabProps } from "../RoomPage";

export default function AuditTab(_: TabProps) {
  return null;
}
