/** An enclave that nothing protects: what that means, and whether this browser's user wants it all the same. */

import { Alert, Button, Checkbox, Group, List, Stack, Text } from "@mantine/core";
import { IconShieldOff } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";

import { Page } from "../components/Page";
import { Problem } from "../components/Problem";
import { useSession } from "./session";

/** What is shown in the place of each page that would need the enclave. */
export function SoftwareConsent() {
  return (
    <Page title="This enclave is not protected">
      <SoftwareWarning />
    </Page>
  );
}

export function SoftwareWarning() {
  const { allowSoftware } = useSession();
  const [understood, setUnderstood] = useState(false);
  const allowing = useMutation({ mutationFn: () => allowSoftware(true) });
  return (
    <Alert
      color="red"
      title="Nothing would protect your data from the operator of this service"
      icon={<IconShieldOff aria-hidden />}
    >
      <Stack gap="sm">
        <Text size="sm">
          The enclave here runs as an ordinary program, outside a trusted execution environment. Nothing was sent to it.
        </Text>
        <List size="sm">
          <List.Item>
            Whoever runs the machine could read data, scripts and results, or change the program, unnoticed.
          </List.Item>
          <List.Item>What this browser verifies is still verified; but it rests on the operator's word.</List.Item>
          <List.Item>It is meant for trying Cloister out, or for people who run the machine themselves.</List.Item>
        </List>
        <Checkbox
          label="I want this in this browser. I will use no data that the operator may not see."
          checked={understood}
          onChange={(event) => setUnderstood(event.currentTarget.checked)}
        />
        {allowing.error !== null && <Problem error={allowing.error} />}
        <Group>
          <Button color="red" disabled={!understood} loading={allowing.isPending} onClick={() => allowing.mutate()}>
            Allow software enclaves
          </Button>
        </Group>
        <Text size="sm">Settings take that back. Without it nothing is sent: there is nothing else to do.</Text>
      </Stack>
    </Alert>
  );
}
