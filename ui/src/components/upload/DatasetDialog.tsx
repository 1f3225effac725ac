/** One of the user's datasets for a data node: uploaded now by the wizard, or before. It is attached nowhere. */

import { Stack } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";

import { keys } from "../../app/queries";
import { useClient } from "../../app/session";
import type { Uploaded } from "../../client/datasets";
import type { TransferProgress } from "../../client/progress";
import { manifestDigest } from "../../core/dataset";
import type { DataNode } from "../../core/nodes";
import type { Content } from "../../tables/recipe";
import { Dialog } from "../Dialog";
import { Problem } from "../Problem";
import { ContentTabs } from "./ContentTabs";
import { Transfer } from "./Transfer";

const LONGEST = 4096;

/**
 * It is open for as long as it is there.
 *
 * @param description What is kept in mind of a dataset that is uploaded here.
 * @param onDataset Is told of the dataset's id; and of the dataset, where it was uploaded just now.
 */
export function DatasetDialog({
  node,
  title,
  description,
  onClose,
  onDataset,
}: {
  node: DataNode;
  title: string;
  description: string;
  onClose: () => void;
  onDataset: (id: string, uploaded?: Uploaded) => void;
}) {
  const client = useClient();
  const queries = useQueryClient();
  const [progress, setProgress] = useState<TransferProgress | null>(null);
  const ending = useRef<AbortController | null>(null);
  useEffect(() => () => ending.current?.abort(), []);
  const upload = useMutation({
    mutationFn: async ({ content, name }: { content: Content; name: string }) => {
      const controller = new AbortController();
      ending.current = controller;
      setProgress(null);
      const label = { name, description: description.slice(0, LONGEST) };
      return await client.datasets.upload(content, label, { onProgress: setProgress, signal: controller.signal });
    },
    onSuccess: async (uploaded) => {
      await queries.invalidateQueries({ queryKey: keys.datasets });
      onDataset(manifestDigest(uploaded.manifest), uploaded);
    },
  });
  const { error, isPending } = upload;
  const ended = error instanceof DOMException && error.name === "AbortError";
  // Esc, which other things listen to, too, is not to lose a file that was looked at and mended.
  const [chosen, setChosen] = useState(false);
  return (
    <Dialog
      onClose={onClose}
      title={title}
      size={1040}
      closeOnEscape={!isPending && !chosen}
      withCloseButton={!isPending}
    >
      <Stack>
        {error !== null && !ended && <Problem error={error} />}
        {isPending && <Transfer progress={progress} onCancel={() => ending.current?.abort()} />}
        {/* It keeps what was chosen, for another try. */}
        <div hidden={isPending}>
          <ContentTabs
            node={node}
            action="Encrypt and upload"
            onFile={() => setChosen(true)}
            onReady={(content, name) => upload.mutate({ content, name })}
            choose="Use it"
            onDataset={onDataset}
          />
        </div>
      </Stack>
    </Dialog>
  );
}
