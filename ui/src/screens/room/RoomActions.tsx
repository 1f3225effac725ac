import type { TabProps } from "./RoomPage";

export function RoomActions(_: TabProps) {
  return null;
}
