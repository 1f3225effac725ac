/** The picture of a draft. */

import { useCallback } from "react";
import { useNavigate } from "react-router";

import { RoomGraph } from "../../components/graph/RoomGraph";
import { isDataNode } from "../../core/nodes";
import type { Node } from "../../core/records";
import { useDraft } from "../../drafts/useDraft";

export default function PictureTab() {
  const { id, configuration } = useDraft();
  const navigate = useNavigate();
  const open = useCallback(
    (node: Node) => {
      const tab = isDataNode(node) ? "data" : "computations";
      void navigate(`/drafts/${id}/${tab}?node=${encodeURIComponent(node.id)}`);
    },
    [id, navigate],
  );
  return <RoomGraph room={configuration} onOpen={open} />;
}
