/** Where the user is signed in. */

import { Badge, Button, Group, Table, Text, Tooltip } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { leave } from "../../app/leaving";
import { hub } from "../../app/session";
import { endSession, type SignedInBrowser, sessions, signOut, signOutEverywhere } from "../../client/account";
import { confirmed } from "../../components/confirm";
import { moment } from "../../components/format";
import { Loaded } from "../../components/Page";
import { Problem } from "../../components/Problem";
import { browserWords, meansWords } from "./browsers";
import { Section } from "./Section";

const KEY = ["sessions"];

export function Sessions() {
  const queries = useQueryClient();
  const query = useQuery({ queryKey: KEY, queryFn: () => sessions(hub) });
  const leaving = useMutation({
    mutationFn: async () => {
      const sure = await confirmed({
        title: "Log out everywhere?",
        words: "All sessions end, this one too. API tokens go on: end them on their own page.",
        action: "Log out everywhere",
      });
      if (sure) {
        await leave(hub, queries, signOutEverywhere);
      }
    },
  });
  return (
    <Section title="Sessions">
      <Text size="sm">Browsers in which you are signed in.</Text>
      <Loaded query={query}>{(all) => <Listed all={all} />}</Loaded>
      {leaving.error !== null && <Problem error={leaving.error} />}
      <Group>
        <Button variant="default" size="xs" loading={leaving.isPending} onClick={() => leaving.mutate()}>
          Log out everywhere
        </Button>
      </Group>
    </Section>
  );
}

function Listed({ all }: { all: readonly SignedInBrowser[] }) {
  const queries = useQueryClient();
  const ending = useMutation({
    mutationFn: async (session: SignedInBrowser) => {
      if (session.current) {
        await leave(hub, queries, signOut);
      } else {
        await endSession(hub, session.id);
      }
    },
    onSettled: () => queries.invalidateQueries({ queryKey: KEY }),
  });
  return (
    <>
      {ending.error !== null && <Problem error={ending.error} />}
      <Table.ScrollContainer minWidth={560}>
        <Table aria-label="Sessions">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Browser</Table.Th>
              <Table.Th>Signed in</Table.Th>
              <Table.Th>Last used</Table.Th>
              <Table.Th>Ends</Table.Th>
              <Table.Th aria-label="Actions" />
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {all.map((session) => (
              <Table.Tr key={session.id}>
                <Table.Td>
                  <Group gap="xs">
                    <Tooltip label={session.browser} multiline maw={420}>
                      <Text size="sm" tabIndex={0}>
                        {browserWords(session.browser)}
                      </Text>
                    </Tooltip>
                    {session.current && <Badge variant="light">This one</Badge>}
                  </Group>
                </Table.Td>
                <Table.Td>
                  {moment(session.created)} {meansWords(session.means)}
                </Table.Td>
                <Table.Td>{moment(session.used)}</Table.Td>
                <Table.Td>{moment(session.expires)}</Table.Td>
                <Table.Td>
                  <Button
                    size="compact-xs"
                    variant="default"
                    loading={ending.isPending && ending.variables.id === session.id}
                    onClick={() => ending.mutate(session)}
                  >
                    {session.current ? "Log out" : "End"}
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
