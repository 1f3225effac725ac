/** Checks a receipt that somebody has sent: whether a result that they speak of is one of this room's. */

import { Alert, Button, FileButton, Group, Stack, Text } from "@mantine/core";
import { IconShieldCheck } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { keys } from "../../../../app/queries";
import type { Room } from "../../../../client/room";
import { Dialog } from "../../../../components/Dialog";
import { Problem } from "../../../../components/Problem";
import { text, toBase64 } from "../../../../core/encoding";
import { BadRequestError } from "../../../../core/errors";
import { PAYLOAD_TYPE } from "../../../../core/receipt";
import { Checks } from "./Verified";

/** Bytes that a receipt has at most, and some more. */
const MOST = 4 * 1024 * 1024;

export function ReceiptCheck({ room }: { room: Room }) {
  const [open, setOpen] = useState(false);
  return (
    <Group>
      <Button
        size="xs"
        variant="subtle"
        leftSection={<IconShieldCheck size={14} aria-hidden />}
        onClick={() => setOpen(true)}
      >
        Verify a receipt
      </Button>
      {open && (
        <Dialog onClose={() => setOpen(false)} title="Verify a receipt" size="lg">
          <Check room={room} />
        </Dialog>
      )}
    </Group>
  );
}

function Check({ room }: { room: Room }) {
  const queries = useQueryClient();
  const check = useMutation({
    mutationFn: async (file: File) => {
      const content = file.size > MOST ? new Uint8Array() : new Uint8Array(await file.arrayBuffer());
      if (!claims(content)) {
        // Nothing was promised, so no check has failed; nor is the log read for it, which everybody sees.
        throw new BadRequestError(
          "This file is no receipt. Choose the one that “Download the receipt” has saved: its name ends in .receipt.json.",
        );
      }
      return await room.verifyReceipt(toBase64(content));
    },
    // The room's log has one event more.
    onSettled: () => queries.invalidateQueries({ queryKey: keys.status(room.id) }),
  });
  return (
    <Stack>
      <Text size="sm">
        Somebody who has a result can show you its receipt. It tells what the result was computed from and by what; it
        holds no data. For that the room's audit log is read, which the log tells everybody.
      </Text>
      <Group>
        <FileButton
          accept=".json,application/json"
          onChange={(file) => {
            if (file !== null) {
              check.mutate(file);
            }
          }}
          inputProps={{ "aria-label": "Receipt" }}
        >
          {(props) => (
            <Button {...props} loading={check.isPending} data-autofocus>
              Choose the receipt
            </Button>
          )}
        </FileButton>
      </Group>
      {check.error !== null && <Problem error={check.error} />}
      {check.data !== undefined && (
        <Alert color="green" title="The receipt is genuine" role="status">
          <Checks definition={room.definition} body={check.data} />
        </Alert>
      )}
    </Stack>
  );
}

/** Whether it says that it is a receipt. */
function claims(content: Uint8Array): boolean {
  try {
    return JSON.parse(text(content)).payloadType === PAYLOAD_TYPE;
  } catch {
    return false;
  }
}
