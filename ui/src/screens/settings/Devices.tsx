/** The devices that may open the user's vault: linking a new one, and putting out what was lost or isn't theirs. */

import { Badge, Button, Checkbox, Group, List, Stack, Table, Text, TextInput } from "@mantine/core";
import { useState } from "react";

import { type Devices as Known, useDeviceChange, useDevices } from "../../app/devices";
import { useTrusted } from "../../app/queries";
import { useClient } from "../../app/session";
import { confirmed } from "../../components/confirm";
import { Dialog } from "../../components/Dialog";
import { moment } from "../../components/format";
import { Hex } from "../../components/Hex";
import { Loaded } from "../../components/Page";
import { Problem } from "../../components/Problem";
import type { VaultDevice } from "../../core/records";
import { Compared } from "./Compared";
import { grouped, plain } from "./keyText";
import { Section } from "./Section";
import styles from "./Settings.module.css";

export function Devices() {
  const { deviceKey } = useClient();
  const trusted = useTrusted();
  const devices = useDevices();
  return (
    <Section title="Devices">
      <Text size="sm" className={styles["words"] ?? ""}>
        Drafts and the keys of your datasets are kept in your vault in the enclave. This browser has a key of its own,
        which never leaves it; the vault opens for the keys of devices that you have let in.
      </Text>
      <Compared value={deviceKey} what="Key of this browser" />
      {trusted.error !== null ? (
        <Problem error={trusted.error} />
      ) : (
        <Loaded query={devices}>
          {(known) => (
            <Stack>
              <Linking known={known} />
              <Listed known={known} />
              {
                // Where it is to be compared, it is not to be copied from the same page.
                known.trusted && <Compared value={known.vault} what="Id of your vault" />
              }
            </Stack>
          )}
        </Loaded>
      )}
    </Section>
  );
}

/** What is left to do until this browser is one of the user's devices like the others. */
function Linking({ known: { mine, trusted, vault } }: { known: Known }) {
  const recognising = useDeviceChange((of, typed) => of.recognise(plain(typed)));
  const [typed, setTyped] = useState("");
  if (mine?.admitted === true && trusted) {
    return null;
  }
  return (
    <Stack gap="sm" className={styles["words"] ?? ""}>
      <Text fw={600}>Link this browser</Text>
      <List size="sm" type="ordered">
        <List.Item>
          {mine?.admitted === true ? (
            <>This browser was let in. Done.</>
          ) : (
            <>
              Open Cloister's settings in the browser that you have used so far. It shows this browser's key as that of
              a device that wants to come in: compare all of it with the one above, and let it in there. (On the command
              line: cloister vault admit.) If you have no such device any more, wait for three days.
            </>
          )}
        </List.Item>
        <List.Item>
          {trusted
            ? "This vault is surely yours. Done."
            : "It also shows the id of your vault. Copy or type it here: so you know that this hub has led you to your own vault, and this browser can keep keys there."}
        </List.Item>
      </List>
      {!trusted && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            recognising.mutate(typed);
          }}
        >
          <Stack gap="xs">
            <TextInput
              label="Id of your vault, as your other device shows it"
              value={typed}
              onChange={(event) => setTyped(event.currentTarget.value)}
              error={
                plain(typed).length >= vault.length && plain(typed) !== vault && "That is another vault than this."
              }
              autoComplete="off"
            />
            <Group>
              <Button type="submit" size="xs" disabled={plain(typed) === ""} loading={recognising.isPending}>
                It is my vault
              </Button>
            </Group>
            {recognising.error !== null && <Problem error={recognising.error} />}
          </Stack>
        </form>
      )}
    </Stack>
  );
}

function Listed({ known: { all, mine, waiting, surprising } }: { known: Known }) {
  const [comparing, setComparing] = useState<VaultDevice | null>(null);
  const acknowledging = useDeviceChange((vault, key) => vault.acknowledge(key));
  const dismissing = useDeviceChange((vault, key) => vault.dismiss(key));
  const dismiss = async (device: VaultDevice): Promise<void> => {
    const sure = await confirmed({
      title: "Put this device out?",
      words: `The device ${grouped(device.key.slice(0, 16))} … sees nothing of your vault any more, for good: its key can't come back. What it has seen it may have kept.`,
      action: "Put out",
    });
    if (sure) {
      dismissing.mutate(device.key);
    }
  };
  return (
    <Stack gap="xs">
      {comparing !== null && <Compare device={comparing} onClose={() => setComparing(null)} />}
      {dismissing.error !== null && <Problem error={dismissing.error} />}
      <Table.ScrollContainer minWidth={560}>
        <Table aria-label="Devices of your vault">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Key</Table.Th>
              <Table.Th>State</Table.Th>
              <Table.Th>Since</Table.Th>
              <Table.Th aria-label="Actions" />
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {all.map((device) => (
              <Table.Tr key={device.key}>
                <Table.Td>
                  <Group gap="xs">
                    <Hex value={device.key} what="device key" />
                    {device.key === mine?.key && <Badge variant="light">This browser</Badge>}
                  </Group>
                </Table.Td>
                <Table.Td>
                  {surprising.includes(device) ? (
                    <Badge color="red" className={styles["whole"] ?? ""}>
                      Came in unseen
                    </Badge>
                  ) : (
                    <Badge
                      variant="light"
                      className={styles["whole"] ?? ""}
                      color={device.admitted ? "green" : "yellow"}
                    >
                      {device.admitted ? "Let in" : "Wants to come in"}
                    </Badge>
                  )}
                </Table.Td>
                <Table.Td>{moment(device.bound_at)}</Table.Td>
                <Table.Td>
                  <Group gap="xs" justify="flex-end">
                    {mine?.admitted === true && waiting.includes(device) && (
                      <Button size="compact-xs" onClick={() => setComparing(device)}>
                        Compare and let in
                      </Button>
                    )}
                    {surprising.includes(device) && (
                      <Button size="compact-xs" variant="default" onClick={() => acknowledging.mutate(device.key)}>
                        I know it
                      </Button>
                    )}
                    {device.key !== mine?.key && mine?.admitted === true && (
                      <Button size="compact-xs" variant="default" onClick={() => void dismiss(device)}>
                        Put out
                      </Button>
                    )}
                  </Group>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Stack>
  );
}

function Compare({ device, onClose }: { device: VaultDevice; onClose: () => void }) {
  const [same, setSame] = useState(false);
  const admitting = useDeviceChange((vault, key) => vault.admit(key));
  return (
    <Dialog onClose={onClose} title="Let a device into your vault" size="lg">
      <Stack>
        <Text size="sm">
          Look at the settings of the new device: “Key of this browser”. (On the command line: cloister whoami.) It has
          to be this one, all of it. If you didn't just sign in on a new device, this one isn't yours: put it out, and
          change your password.
        </Text>
        <Compared value={device.key} what="Key of the device that wants to come in" />
        <Text size="sm">It has asked since {moment(device.bound_at)}.</Text>
        <Checkbox
          label="The new device shows the same key, from the first group to the last."
          checked={same}
          onChange={(event) => setSame(event.currentTarget.checked)}
        />
        {admitting.error !== null && <Problem error={admitting.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose} data-autofocus>
            Cancel
          </Button>
          <Button
            disabled={!same}
            loading={admitting.isPending}
            onClick={() => admitting.mutate(device.key, { onSuccess: onClose })}
          >
            Let it in
          </Button>
        </Group>
      </Stack>
    </Dialog>
  );
}
