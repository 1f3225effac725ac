/** On every page: that a device wants to open the vault, or has come in; and what this browser itself still lacks. */

import { Alert, Anchor, Button, Group, Text } from "@mantine/core";
import { IconDeviceLaptop } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { Link, useLocation } from "react-router";

import { Problem } from "../components/Problem";
import { useDeviceChange, useDevices } from "./devices";

export function DeviceBanner() {
  const { data, error, isStale, refetch } = useDevices();
  const { pathname } = useLocation();
  const [seen, setSeen] = useState(pathname);
  useEffect(() => {
    // Whoever goes to another page is told of what has come since.
    if (pathname !== seen && isStale) {
      setSeen(pathname);
      void refetch();
    }
  }, [pathname, seen, isStale, refetch]);
  const acknowledging = useDeviceChange((vault, key) => vault.acknowledge(key));
  if (pathname === "/settings") {
    // They are all there, with what can be done.
    return null;
  }
  if (data === undefined) {
    return error === null ? null : <Problem error={error} />;
  }
  const { waiting, surprising, mine } = data;
  return (
    <>
      {mine?.admitted === true && waiting.length > 0 && (
        <Alert color="yellow" role="status" title={counted(waiting.length)} icon={<IconDeviceLaptop aria-hidden />}>
          <Text size="sm">
            If it is not yours, somebody signs in as you: put it out.{" "}
            <Anchor component={Link} to="/settings" size="sm" c="inherit" underline="always">
              Compare it and decide
            </Anchor>
          </Text>
        </Alert>
      )}
      {surprising.map((device) => (
        <Alert
          key={device.key}
          color="red"
          role="status"
          title="Another device was let into your vault"
          icon={<IconDeviceLaptop aria-hidden />}
        >
          <Text size="sm">
            It sees your drafts and the keys of your datasets. Another device of yours has admitted it, or nobody has
            put it out for three days.{" "}
            <Anchor component={Link} to="/settings" size="sm" c="inherit" underline="always">
              Look at it in the settings
            </Anchor>
          </Text>
          <Group mt="xs">
            <Button size="xs" variant="default" onClick={() => acknowledging.mutate(device.key)}>
              I know it
            </Button>
          </Group>
        </Alert>
      ))}
      {mine?.admitted === false && (
        <Alert color="blue" role="status" title="This browser is new here" icon={<IconDeviceLaptop aria-hidden />}>
          <Text size="sm">
            It sees no drafts, and no keys of datasets, that come from your other devices until one of them lets it in.{" "}
            <Anchor component={Link} to="/settings" size="sm" c="inherit" underline="always">
              How to link it
            </Anchor>
          </Text>
        </Alert>
      )}
    </>
  );
}

function counted(count: number): string {
  return count === 1 ? "Another device wants to open your vault" : `${count} devices want to open your vault`;
}
