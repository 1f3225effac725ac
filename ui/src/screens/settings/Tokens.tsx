/** API tokens: how programs work in the user's name. */

import { Alert, Button, Code, CopyButton, Group, Paper, Stack, Table, Text, TextInput } from "@mantine/core";
import { IconCheck, IconCopy, IconPlus } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { hub } from "../../app/session";
import { endToken, makeToken, type TokenInfo, tokens } from "../../client/account";
import { confirmed } from "../../components/confirm";
import { Dialog } from "../../components/Dialog";
import { moment } from "../../components/format";
import { Loaded, Page } from "../../components/Page";
import { Problem } from "../../components/Problem";
import { useSubmit } from "../../components/useSubmit";
import styles from "./Settings.module.css";

const KEY = ["tokens"];
const MAX_DESCRIPTION = 200;

export function Component() {
  const query = useQuery({ queryKey: KEY, queryFn: () => tokens(hub) });
  const [making, setMaking] = useState(false);
  return (
    <Page
      title="API tokens"
      subtitle="A token lets a program do what you can do: the Python SDK, or the command line."
      actions={
        <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setMaking(true)}>
          New token
        </Button>
      }
    >
      {making && <NewToken onClose={() => setMaking(false)} />}
      <Loaded query={query}>{(all) => <Listed all={all} />}</Loaded>
    </Page>
  );
}

function NewToken({ onClose }: { onClose: () => void }) {
  const [description, setDescription] = useState("");
  const queries = useQueryClient();
  const making = useMutation({
    mutationFn: () => makeToken(hub, description.trim()),
    onSuccess: () => queries.invalidateQueries({ queryKey: KEY }),
    // The token is forgotten with this dialog.
    gcTime: 0,
  });
  const submit = useSubmit(() => making.mutateAsync());
  return (
    // The wrong key is not to lose a token that is shown once.
    <Dialog onClose={onClose} title="New API token" size="lg" closeOnEscape={!making.isSuccess}>
      {making.isSuccess ? (
        <Made token={making.data} onClose={onClose} />
      ) : (
        <form onSubmit={submit}>
          <Stack>
            <TextInput
              label="What it is for"
              placeholder="Notebook on my laptop"
              maxLength={MAX_DESCRIPTION}
              data-autofocus
              value={description}
              onChange={(event) => setDescription(event.currentTarget.value)}
            />
            {making.error !== null && <Problem error={making.error} />}
            <Group justify="flex-end">
              <Button variant="default" onClick={onClose}>
                Cancel
              </Button>
              <Button type="submit" loading={making.isPending}>
                Make the token
              </Button>
            </Group>
          </Stack>
        </form>
      )}
    </Dialog>
  );
}

function Made({ token, onClose }: { token: string; onClose: () => void }) {
  return (
    <Stack>
      <Alert color="yellow" role="status" title="Copy it now: it is not shown again">
        Whoever has it is you. Keep it where you keep passwords, never in a script.
      </Alert>
      <Code block fz="md" aria-label="The token" className={styles["token"] ?? ""}>
        {token}
      </Code>
      <Group justify="flex-end">
        <CopyButton value={token}>
          {({ copied, copy }) => (
            <Button
              variant="default"
              onClick={copy}
              leftSection={copied ? <IconCheck size={16} aria-hidden /> : <IconCopy size={16} aria-hidden />}
            >
              {copied ? "Copied" : "Copy"}
            </Button>
          )}
        </CopyButton>
        <Button onClick={onClose}>Done</Button>
      </Group>
    </Stack>
  );
}

function Listed({ all }: { all: readonly TokenInfo[] }) {
  const queries = useQueryClient();
  const ending = useMutation({
    mutationFn: async ({ id, lastFour, description }: TokenInfo) => {
      const named = description === "" ? "" : ` (${description})`;
      const sure = await confirmed({
        title: "End this token?",
        words: `The token that ends in ${lastFour}${named} stops working at once, for good. Programs that use it fail.`,
        action: "End it",
      });
      if (sure) {
        await endToken(hub, id);
      }
    },
    onSettled: () => queries.invalidateQueries({ queryKey: KEY }),
  });
  if (all.length === 0) {
    return (
      <Paper withBorder p="md">
        <Text size="sm" c="dimmed">
          You have none. “New token” makes one; the SDK takes it as api_token, or from the variable CLOISTER_TOKEN.
        </Text>
      </Paper>
    );
  }
  return (
    <>
      {ending.error !== null && <Problem error={ending.error} />}
      <Table.ScrollContainer minWidth={560}>
        <Table verticalSpacing="sm" aria-label="API tokens">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Token</Table.Th>
              <Table.Th>What it is for</Table.Th>
              <Table.Th>Made</Table.Th>
              <Table.Th>Last used</Table.Th>
              <Table.Th aria-label="Actions" />
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {all.map((token) => (
              <Table.Tr key={token.id}>
                <Table.Td>
                  <Code>…{token.lastFour}</Code>
                </Table.Td>
                <Table.Td className={styles["words"]}>{token.description}</Table.Td>
                <Table.Td>{moment(token.created)}</Table.Td>
                <Table.Td>{token.used === null ? "Never" : moment(token.used)}</Table.Td>
                <Table.Td>
                  <Button
                    size="compact-xs"
                    variant="default"
                    aria-label={`End the token that ends in ${token.lastFour}`}
                    onClick={() => ending.mutate(token)}
                  >
                    End
                  </Button>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </>
  );
}
