/** The side bar, and the place of the page beside it. */

import { ActionIcon, Anchor, Badge, Group, NavLink, Stack, Text, Tooltip, useMantineColorScheme } from "@mantine/core";
import { IconDatabase, IconKey, IconMoon, IconSettings, IconShieldLock, IconSun } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { Link, useLocation } from "react-router";
import styles from "./Shell.module.css";
import { useSession } from "./session";

const PLACES = [
  { to: "/", label: "Clean rooms", icon: IconShieldLock, within: ["/rooms", "/drafts"] },
  { to: "/datasets", label: "Datasets", icon: IconDatabase, within: [] },
  { to: "/settings", label: "Settings", icon: IconSettings, within: [] },
  { to: "/tokens", label: "API tokens", icon: IconKey, within: [] },
] as const;

export function Shell({ children }: { children: ReactNode }) {
  const { email, allowsSoftware } = useSession();
  const { pathname } = useLocation();
  return (
    <div className={styles["shell"]}>
      <Anchor href="#main" className={styles["skip"]}>
        Skip to the page
      </Anchor>
      <header className={styles["side"]}>
        <Link to="/" className={styles["brand"]}>
          <img src="/icon.svg" alt="" width={28} height={28} />
          Cloister
        </Link>
        <nav aria-label="Places">
          {PLACES.map(({ to, label, icon: Icon, within }) => (
            <NavLink
              key={to}
              component={Link}
              to={to}
              label={label}
              leftSection={<Icon size={18} aria-hidden />}
              active={pathname === to || within.some((each) => pathname.startsWith(`${each}/`))}
              aria-current={pathname === to ? "page" : undefined}
            />
          ))}
        </nav>
        <Stack gap="xs" mt="auto">
          {allowsSoftware && (
            <Tooltip
              multiline
              w={260}
              label="You have allowed enclaves without a trusted execution environment in this browser: whoever runs the server could see the data. Settings take that back."
            >
              <Badge color="red" variant="filled" tabIndex={0}>
                Software enclave
              </Badge>
            </Tooltip>
          )}
          <Group justify="space-between" wrap="nowrap">
            <Text size="sm" truncate title={email}>
              {email}
            </Text>
            <ColorScheme />
          </Group>
        </Stack>
      </header>
      <main id="main" className={styles["main"]} tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}

function ColorScheme() {
  const { colorScheme, setColorScheme } = useMantineColorScheme({ keepTransitions: true });
  const dark = colorScheme === "dark" || (colorScheme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      aria-label={dark ? "Light colours" : "Dark colours"}
      onClick={() => setColorScheme(dark ? "light" : "dark")}
    >
      {dark ? <IconSun size={18} /> : <IconMoon size={18} />}
    </ActionIcon>
  );
}
