/** Everything that was agreed on in a published room, and that it is what the room's id stands for. */

import { Alert, Group, Stack, Text } from "@mantine/core";
import { IconShieldCheck } from "@tabler/icons-react";
import { useMemo } from "react";
import { useSearchParams } from "react-router";

import { Agreement } from "../../../components/agreement/Agreement";
import { Hex } from "../../../components/Hex";
import { Problem } from "../../../components/Problem";
import { roomId } from "../../../core/definition";
import { VerificationError } from "../../../core/errors";
import type { TabProps } from "../RoomPage";

export default function DefinitionTab({ room: { id, definition } }: TabProps) {
  const [search] = useSearchParams();
  const recomputed = useMemo(() => roomId(definition), [definition]);
  if (recomputed !== id) {
    return <Problem error={new VerificationError("What is shown is not what this room's id stands for.")} />;
  }
  return (
    <Stack gap="xl">
      <Alert color="green" icon={<IconShieldCheck aria-hidden />} title="Verified in this browser">
        <Text size="sm">
          The room's id is the SHA-256 of all that stands below, computed here. Nothing of it can be changed: with any
          other word in it, it would be another room.
        </Text>
        <Group mt="xs">
          <Hex value={recomputed} what="digest of the definition" length={64} />
        </Group>
      </Alert>
      <Agreement agreed={definition} open={search.get("node") ?? undefined} />
    </Stack>
  );
}
