/** Whether this browser speaks to enclaves that nothing protects. */

import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { IconShieldCheck, IconShieldOff } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useTrusted } from "../../app/queries";
import { SoftwareWarning } from "../../app/SoftwareConsent";
import { useSession } from "../../app/session";
import { Problem } from "../../components/Problem";
import { ProtectionMissing } from "../../core/errors";
import { Section } from "./Section";

export function Protection() {
  const { allowsSoftware, allowSoftware } = useSession();
  const { error } = useTrusted();
  const taking = useMutation({ mutationFn: () => allowSoftware(false) });
  return (
    <Section title="Enclaves without protection">
      {allowsSoftware ? (
        <Alert color="red" title="Allowed in this browser" icon={<IconShieldOff aria-hidden />}>
          <Stack gap="sm">
            <Text size="sm">
              Enclaves and workers that run as ordinary programs will do. Whoever runs such a machine can read data,
              scripts and results there, or change the program, unnoticed. Use no data that they may not see.
            </Text>
            {taking.error !== null && <Problem error={taking.error} />}
            <Group>
              <Button color="red" size="xs" loading={taking.isPending} onClick={() => taking.mutate()}>
                Take it back
              </Button>
            </Group>
          </Stack>
        </Alert>
      ) : error instanceof ProtectionMissing ? (
        <SoftwareWarning />
      ) : (
        <Alert color="green" title="Not allowed in this browser" icon={<IconShieldCheck aria-hidden />}>
          Nothing is sent to an enclave, or a room, that a trusted execution environment doesn't protect. If one asks
          for it, you will be asked.
        </Alert>
      )}
    </Section>
  );
}
