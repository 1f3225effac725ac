import type { TabProps } from "../RoomPage";

export default function DefinitionTab(_: TabProps) {
  return null;
}
