/** Where a link of an invitation leads: sets a password, once, and signs in. */

import { Alert, Anchor, Button, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useEffect, useState } from "react";
import { Link, useNavigate } from "react-router";

import { hub } from "../../app/session";
import { acceptInvitation } from "../../client/account";
import { Problem } from "../../components/Problem";
import { Front } from "./Front";
import { type Invited, readInvitation } from "./invited";

export function Component() {
  const [invited] = useState(() => readInvitation(location.hash));
  useEffect(() => {
    // Neither the history nor somebody who looks over a shoulder has the link after that.
    history.replaceState(history.state, "", location.pathname);
  }, []);
  return (
    <Front title="Set your password">
      {invited === null ? (
        <Alert color="yellow" title="This link is not whole">
          <Text size="sm">
            A link of an invitation opens this page once; loading it again forgets it. Open the link from your message
            again, all of it. If you have a password already,{" "}
            <Anchor component={Link} to="/sign-in" size="sm" c="inherit" underline="always">
              sign in
            </Anchor>
            .
          </Text>
        </Alert>
      ) : (
        <Setting invited={invited} />
      )}
    </Front>
  );
}

function Setting({ invited }: { invited: Invited }) {
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const navigate = useNavigate();
  const queries = useQueryClient();
  const setting = useMutation({
    mutationFn: () => acceptInvitation(hub, invited.token, invited.email, password),
    onSuccess: async () => {
      await queries.resetQueries();
      await navigate("/", { replace: true });
    },
  });
  const differs = again !== "" && again !== password;
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (again === password) {
      setting.mutate();
    }
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        {setting.error !== null && <Problem error={setting.error} />}
        <TextInput label="Email" type="email" autoComplete="username" value={invited.email} readOnly />
        <PasswordInput
          label="New password"
          description="12 characters or more: some words, say. Not your email address."
          autoComplete="new-password"
          autoFocus
          required
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        <PasswordInput
          label="Once more"
          autoComplete="new-password"
          required
          value={again}
          error={differs && "This is not the same."}
          onChange={(event) => setAgain(event.currentTarget.value)}
        />
        <Button type="submit" loading={setting.isPending} disabled={differs}>
          Set the password and sign in
        </Button>
      </Stack>
    </form>
  );
}
