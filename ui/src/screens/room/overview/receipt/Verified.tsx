/** That a result is genuine, and what was checked for that, in plain words. */

import { Alert, Button, Code, Group, List, Stack, Text } from "@mantine/core";
import { IconShieldCheck, IconShieldX } from "@tabler/icons-react";
import { useState } from "react";

import { download } from "../../../../components/download";
import { Hex } from "../../../../components/Hex";
import { fromBase64 } from "../../../../core/encoding";
import type { Definition, ReceiptBody } from "../../../../core/records";
import { explained } from "./explained";

/**
 * @param receipt DSSE JSON, base64.
 * @param body What it says, checked.
 */
export function Verified({
  definition,
  name,
  what,
  receipt,
  body,
}: {
  definition: Definition;
  /** Of the computation. */
  name: string;
  /** What it is the result of, in words. */
  what: string;
  receipt: string;
  body: ReceiptBody;
}) {
  const [open, setOpen] = useState(false);
  const checked = explained(body, definition);
  const unproven = checked.some((each) => each.unproven);
  return (
    <Alert
      role="status"
      color={unproven ? "red" : "green"}
      title={unproven ? "Verified, but by a software enclave: no hardware vouches for it" : "Verified"}
      icon={unproven ? <IconShieldX aria-hidden /> : <IconShieldCheck aria-hidden />}
    >
      <Stack gap="sm">
        <Text size="sm">
          This browser has checked that what you see is the result of {what} in this room, whole and unchanged.
        </Text>
        <Group gap="xs">
          <Button size="xs" variant="default" aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? "Hide what was checked" : "What was checked?"}
          </Button>
          <Button
            size="xs"
            variant="default"
            onClick={() =>
              download(new Blob([fromBase64(receipt)], { type: "application/json" }), `${name}.receipt.json`)
            }
          >
            Download the receipt
          </Button>
        </Group>
        {open && <Checks definition={definition} body={body} />}
      </Stack>
    </Alert>
  );
}

/** The list of what was checked, and how somebody else does the same. */
export function Checks({ definition, body }: { definition: Definition; body: ReceiptBody }) {
  return (
    <Stack gap="sm">
      <List type="ordered" size="sm" spacing="xs">
        {explained(body, definition).map(({ what, values, unproven }) => (
          <List.Item key={what}>
            <Text size="sm" {...(unproven ? { c: "red", fw: 600 } : {})}>
              {what}
            </Text>
            {values.map(({ name, value }) => (
              <Group key={name} gap="xs">
                <Text size="xs" c="dimmed">
                  {name}
                </Text>
                <Hex value={value} what={name} />
              </Group>
            ))}
          </List.Item>
        ))}
      </List>
      <Text size="sm">
        The receipt holds no data, and can be shown to others. Whoever is in the room checks it here, or with the SDK:
      </Text>
      <Code block tabIndex={0}>
        {'client.retrieve_analytics_dcr(room_id).verify_receipt(open("receipt.json", "rb").read())'}
      </Code>
    </Stack>
  );
}
