/** Changing the password. */

import { Alert, Button, Group, PasswordInput, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { hub } from "../../app/session";
import { changePassword } from "../../client/account";
import { Problem } from "../../components/Problem";
import { useSubmit } from "../../components/useSubmit";
import { AuthorizationError } from "../../core/errors";
import { Section } from "./Section";
import styles from "./Settings.module.css";

const NOTHING = { current: "", fresh: "", again: "" };

export function Password() {
  const [fields, setFields] = useState(NOTHING);
  const queries = useQueryClient();
  const changing = useMutation({
    mutationFn: () => changePassword(hub, fields.current, fields.fresh),
    onSuccess: async () => {
      setFields(NOTHING);
      await queries.invalidateQueries({ queryKey: ["sessions"] });
    },
  });
  // The hub answers as it does to somebody who isn't signed in yet.
  const wrong = changing.error instanceof AuthorizationError && changing.error.message.startsWith("Email and password");
  const differs = fields.again !== "" && fields.again !== fields.fresh;
  const submit = useSubmit(() => changing.mutateAsync());
  const field = (name: keyof typeof NOTHING, label: string, error?: string) => (
    <PasswordInput
      label={label}
      autoComplete={name === "current" ? "current-password" : "new-password"}
      required
      value={fields[name]}
      error={error}
      onChange={(event) => setFields({ ...fields, [name]: event.currentTarget.value })}
    />
  );
  return (
    <Section title="Password">
      <form onSubmit={submit} className={styles["words"]}>
        <Stack>
          <Text size="sm">
            Other sessions end with a new one. 12 characters or more: some words, say. Who signs in at a provider has no
            password here.
          </Text>
          {field("current", "Current password")}
          {field("fresh", "New password")}
          {field("again", "New password once more", differs ? "This is not the same." : undefined)}
          {changing.error !== null && (
            <Problem error={wrong ? new AuthorizationError("The current password is wrong.") : changing.error} />
          )}
          {changing.isSuccess && (
            <Alert color="green" role="status">
              The password was changed. Other sessions have ended.
            </Alert>
          )}
          <Group>
            <Button type="submit" size="xs" disabled={differs || fields.again === ""} loading={changing.isPending}>
              Change the password
            </Button>
          </Group>
        </Stack>
      </form>
    </Section>
  );
}
