import type { TabProps } from "./RoomPage";

export default function PictureTab(_: TabProps) {
  return null;
}
