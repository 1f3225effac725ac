import { Anchor, Stack, Text, Title } from "@mantine/core";
import { Link } from "react-router";

export function Component() {
  return (
    <Stack>
      <Title order={1}>There is no such page</Title>
      <Text>
        The address may be of another release.{" "}
        <Anchor component={Link} to="/">
          Go to your clean rooms
        </Anchor>
        .
      </Text>
    </Stack>
  );
}
