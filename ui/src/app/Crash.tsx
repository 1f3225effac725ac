/** What is shown where a page can't be: a mistake of the page itself, or files of another release. */

import { Button, Container, Stack, Text, Title } from "@mantine/core";
import { useRouteError } from "react-router";

export function Crash() {
  const error = useRouteError();
  return (
    <Container component="main" size="sm" py="xl">
      <Stack>
        <Title order={1}>This page has failed</Title>
        <Text>
          Nothing of your data is lost: drafts and datasets are kept in your vault. Load the page again. If it fails
          again, tell whoever runs this hub what stands below.
        </Text>
        <Text ff="monospace" size="sm">
          {error instanceof Error ? `${error.name}: ${error.message}` : String(error)}
        </Text>
        <Button onClick={() => location.reload()}>Load again</Button>
      </Stack>
    </Container>
  );
}
