/** Pinned device keys: who people are, without anybody's word for it. */

import { Button, Group, List, Stack, Switch, Text, Textarea } from "@mantine/core";
import { useState } from "react";

import { useClient } from "../../../app/session";
import type { Participant } from "../../../core/records";
import { useDraft } from "../../../drafts/useDraft";
import styles from "./Permissions.module.css";
import { setKeys, setPinsRequired, typedKeys } from "./people";

const MAX_KEYS = 64;

export function Pins() {
  const { configuration, edit } = useDraft();
  const { participants, pins_required } = configuration;
  const bare = participants.filter(({ keys }) => keys.length === 0);
  return (
    <Stack>
      <List size="sm">
        <List.Item>
          The hub vouches for who has which address. A hub that lies could pass for one of these people. A key that is
          pinned here is theirs whatever the hub says.
        </List.Item>
        <List.Item>
          Everybody's settings show the key of their browser; `cloister whoami` that of a machine. Get it over a channel
          that you trust.
        </List.Item>
      </List>
      <Switch
        label="Only pinned keys may enter"
        description="Nobody comes in with a new device after publication, not even by the hub's word."
        checked={pins_required}
        onChange={(event) => edit(setPinsRequired(event.currentTarget.checked))}
      />
      {pins_required && bare.length > 0 && (
        <Text size="sm" c="red" role="status">
          Without a key, and so shut out: {bare.map(({ user }) => user).join(", ")}. Such a room can't be published.
        </Text>
      )}
      {participants.map((entry) => (
        <Keys key={entry.user} entry={entry} />
      ))}
    </Stack>
  );
}

function Keys({ entry: { user, keys } }: { entry: Participant }) {
  const { email, deviceKey } = useClient();
  const { edit } = useDraft();
  const [text, setText] = useState(keys.join("\n"));
  const [error, setError] = useState("");
  const change = (wanted: string): void => {
    const { fine, wrong } = typedKeys(wanted);
    setText(wanted);
    if (wrong.length > 0) {
      setError(`Not a key of 64 hexadecimal digits: ${wrong.join(", ").slice(0, 200)}`);
    } else if (fine.length > MAX_KEYS) {
      setError(`Over ${MAX_KEYS} keys.`);
    } else {
      setError("");
      edit(setKeys(user, fine));
    }
  };
  return (
    <Group align="flex-end" gap="xs">
      <Textarea
        flex={1}
        className={styles["keys"] ?? ""}
        label={`Keys of ${user}`}
        description="One a line"
        autosize
        minRows={1}
        maxRows={6}
        spellCheck={false}
        value={text}
        error={error}
        onChange={(event) => change(event.currentTarget.value)}
      />
      {user === email && !keys.includes(deviceKey) && (
        <Button variant="default" onClick={() => change(text === "" ? deviceKey : `${text}\n${deviceKey}`)}>
          Add this browser's
        </Button>
      )}
    </Group>
  );
}
