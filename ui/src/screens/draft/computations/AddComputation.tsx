/** Adding a computation: its kind, then its name. */

import { Button, Menu, Text } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useState } from "react";

import { KINDS } from "../../../components/kinds";
import { useDraft } from "../../../drafts/useDraft";
import { NameDialog } from "../nodes/NameDialog";
import { KINDS_ABOUT, KINDS_OFFERED, type Kind, newComputation, suggestedName } from "./kinds";

export function AddComputation({ onAdded }: { onAdded: (id: string) => void }) {
  const { configuration } = useDraft();
  const [kind, setKind] = useState<Kind | null>(null);
  return (
    <>
      <Menu position="bottom-start" width={380} withinPortal>
        <Menu.Target>
          <Button px="xs" leftSection={<IconPlus size={16} aria-hidden />}>
            Add computation
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {KINDS_OFFERED.map((each) => {
            const { label, icon: Icon } = KINDS[each];
            return (
              <Menu.Item key={each} leftSection={<Icon size={20} aria-hidden />} onClick={() => setKind(each)}>
                {label}
                <Text size="xs" c="dimmed">
                  {KINDS_ABOUT[each]}
                </Text>
              </Menu.Item>
            );
          })}
        </Menu.Dropdown>
      </Menu>
      {kind !== null && (
        <NameDialog
          title={`Add computation: ${KINDS[kind].label}`}
          about={KINDS_ABOUT[kind]}
          suggested={suggestedName(configuration, kind)}
          describe={() => "Its result is downloaded, and mounted, by this name."}
          make={(name) => newComputation(configuration, kind, name)}
          onClose={() => setKind(null)}
          onAdded={onAdded}
        />
      )}
    </>
  );
}
