/** Signing in: by email and password, or at a provider that the hub names. */

import { Alert, Button, Divider, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation, useNavigate, useSearchParams } from "react-router";

import { keepPath, safePath, takePath } from "../../app/returning";
import { hub } from "../../app/session";
import { PROVIDER, signIn, ways } from "../../client/account";
import { Loaded } from "../../components/Page";
import { Problem } from "../../components/Problem";
import { useSubmit } from "../../components/useSubmit";
import { Front } from "./Front";
import { problemWords } from "./problems";

export function Component() {
  const [search] = useSearchParams();
  const [kept] = useState(takePath);
  const from = safePath((useLocation().state as { from?: unknown } | null)?.from ?? kept);
  const query = useQuery({ queryKey: ["ways"], queryFn: () => ways(hub) });
  const problem = problemWords(search);
  return (
    <Front title="Sign in to Cloister">
      {problem !== null && (
        <Alert color="red" role="alert" title="You are not signed in">
          {problem}
        </Alert>
      )}
      <Loaded query={query}>
        {({ password, provider }) => (
          <Stack>
            {provider !== null && (
              <Button component="a" href={PROVIDER} onClick={() => keepPath(from)} variant="default">
                Sign in with {provider}
              </Button>
            )}
            {provider !== null && password && <Divider label="or" labelPosition="center" />}
            {password && <ByPassword from={from} />}
            {provider === null && !password && <Text>This hub lets nobody in at the moment. Ask whoever runs it.</Text>}
          </Stack>
        )}
      </Loaded>
    </Front>
  );
}

function ByPassword({ from }: { from: string }) {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const navigate = useNavigate();
  const queries = useQueryClient();
  const signing = useMutation({
    mutationFn: () => signIn(hub, email, password),
    onSuccess: async () => {
      await queries.resetQueries();
      await navigate(from, { replace: true });
    },
    onError: () => setPassword(""),
  });
  const submit = useSubmit(() => signing.mutateAsync());
  return (
    <form onSubmit={submit}>
      <Stack>
        {signing.error !== null && <Problem error={signing.error} />}
        <TextInput
          label="Email"
          type="email"
          autoComplete="username"
          autoFocus
          required
          value={email}
          onChange={(event) => setEmail(event.currentTarget.value)}
        />
        <PasswordInput
          label="Password"
          autoComplete="current-password"
          required
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        <Button type="submit" loading={signing.isPending}>
          Sign in
        </Button>
        <Text size="sm" c="dimmed">
          No account, or the password forgotten? Whoever runs this hub can send you a link.
        </Text>
      </Stack>
    </form>
  );
}
