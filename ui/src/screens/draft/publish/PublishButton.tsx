/** The step itself, asked for once more before it is made. */

import { Button, Group } from "@mantine/core";
import { IconLock } from "@tabler/icons-react";

import { confirmed } from "../../../components/confirm";
import { type KeptPublishing, publishDraft, type Seen } from "../../../drafts/publishing";
import type { UsedPublishing } from "./usePublishing";

interface PublishButtonProps {
  seen: Seen;
  before: KeptPublishing | null;
  publishing: UsedPublishing;
  disabled: boolean;
  /** What speaks against it, in sentences. */
  warnings: readonly string[];
}

export function PublishButton({ seen, before, publishing, disabled, warnings }: PublishButtonProps) {
  const ask = async (): Promise<void> => {
    const final =
      "Nothing in the room can be changed afterwards: not who is in it, not what is computed, not where it runs.";
    const sure = await confirmed({
      title: "Publish for good?",
      words: [...warnings, final].join(" "),
      action: warnings.length === 0 ? "Encrypt and publish" : "Encrypt and publish all the same",
    });
    if (sure) {
      publishing.start((client, draft, told) => publishDraft(client, draft, seen, before, told));
    }
  };
  return (
    <Group>
      <Button
        onClick={() => void ask()}
        disabled={disabled || publishing.pending || publishing.room !== undefined}
        leftSection={<IconLock size={18} aria-hidden />}
      >
        Encrypt and publish
      </Button>
    </Group>
  );
}
