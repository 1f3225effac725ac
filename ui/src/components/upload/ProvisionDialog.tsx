/** Gives a data node of a published room its data: a file, or a dataset that was uploaded before. */

import { Stack } from "@mantine/core";
import { useState } from "react";

import { useClient } from "../../app/session";
import type { Room } from "../../client/room";
import type { DataNode } from "../../core/nodes";
import { Dialog } from "../Dialog";
import { Problem } from "../Problem";
import { ContentTabs } from "./ContentTabs";
import { KeyConsent } from "./KeyConsent";
import { Transfer } from "./Transfer";
import { useProvision } from "./useProvision";

/**
 * It is open for as long as it is there.
 *
 * @param onDone It is over: the data is attached, or the user has closed it.
 */
export function ProvisionDialog({ room, node, onDone }: { room: Room; node: DataNode; onDone: () => void }) {
  const { deviceKey } = useClient();
  const { start, cancel, asked, progress, busy, error } = useProvision(room, node.id, onDone);
  // Esc, which other things listen to, too, is not to lose a file that was looked at and mended.
  const [chosen, setChosen] = useState(false);
  return (
    <Dialog
      onClose={onDone}
      title={`Data for ${node.name}`}
      size={1040}
      closeOnEscape={!busy && !chosen}
      withCloseButton={!busy}
    >
      <Stack>
        {error !== null && <Problem error={error} />}
        {asked !== null && (
          <KeyConsent
            room={room}
            node={node}
            keys={asked.keys}
            device={deviceKey}
            onAgree={asked.agree}
            onRefuse={asked.refuse}
          />
        )}
        {asked === null && busy && <Transfer progress={progress} onCancel={cancel} />}
        {/* It keeps what was chosen, for another try. */}
        <div hidden={busy}>
          <ContentTabs
            node={node}
            action="Encrypt and provision"
            onFile={() => setChosen(true)}
            onReady={(content, name) => start({ content, label: { name } })}
            choose="Attach"
            onDataset={(dataset) => start({ dataset })}
          />
        </div>
      </Stack>
    </Dialog>
  );
}
