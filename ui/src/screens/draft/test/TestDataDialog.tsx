/** Chooses what a data node is tested with: a file, which the wizard makes into what the node takes, or a dataset. */

import { DatasetDialog } from "../../../components/upload/DatasetDialog";
import type { DataNode } from "../../../core/nodes";
import { useDraft } from "../../../drafts/useDraft";
import { testOf } from "./draftTest";

export function TestDataDialog({ node, onClose }: { node: DataNode; onClose: () => void }) {
  const { id, configuration, setTest } = useDraft();
  return (
    <DatasetDialog
      node={node}
      title={`Test data for ${node.name}`}
      description={`To test ${node.name} of ${configuration.title}`}
      onClose={onClose}
      onDataset={(dataset, uploaded) => {
        if (uploaded !== undefined) {
          testOf(id).uploaded.set(dataset, uploaded);
        }
        setTest(node.id, dataset);
        onClose();
      }}
    />
  );
}
