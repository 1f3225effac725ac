/** Inviting people by their addresses. */

import { Button, Group, Textarea } from "@mantine/core";
import { IconUserPlus } from "@tabler/icons-react";
import { type FormEvent, useState } from "react";

import { useDraft } from "../../../drafts/useDraft";
import styles from "./Permissions.module.css";
import { addPeople, typedEmails } from "./people";

export function AddPeople() {
  const { configuration, edit } = useDraft();
  const [text, setText] = useState("");
  const [said, setSaid] = useState("");
  const [error, setError] = useState("");
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const { fine, wrong } = typedEmails(text);
    const there = fine.filter((user) => configuration.participants.some((entry) => entry.user === user));
    if (wrong.length > 0) {
      setError(`Not an address: ${wrong.join(", ")}`);
      setSaid("");
      return;
    }
    edit(addPeople(fine));
    setText("");
    setError("");
    setSaid(there.length === 0 ? "" : `Already there: ${there.join(", ")}`);
  };
  return (
    <form onSubmit={submit}>
      <Group align="flex-end" gap="xs">
        <Textarea
          className={styles["add"] ?? ""}
          label="Add people"
          description={said || "Email addresses, one or many"}
          placeholder="name@example.org"
          autosize
          minRows={1}
          maxRows={6}
          value={text}
          error={error}
          onChange={(event) => {
            setText(event.currentTarget.value);
            setError("");
          }}
          onKeyDown={(event) => {
            if (event.key === "Enter" && !event.shiftKey) {
              submit(event);
            }
          }}
        />
        <Button
          type="submit"
          variant="default"
          leftSection={<IconUserPlus size={16} aria-hidden />}
          disabled={text.trim() === ""}
        >
          Add
        </Button>
      </Group>
    </form>
  );
}
