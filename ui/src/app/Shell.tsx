/** The side bar, and the place of the page beside it. On narrow screens it is a bar above, with a menu. */

import {
  ActionIcon,
  Anchor,
  Badge,
  Group,
  NavLink,
  Stack,
  Text,
  Tooltip,
  UnstyledButton,
  useMantineColorScheme,
} from "@mantine/core";
import {
  IconDatabase,
  IconKey,
  IconLogout,
  IconMenu2,
  IconMoon,
  IconSettings,
  IconShieldLock,
  IconSun,
  IconX,
} from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { Link, useLocation } from "react-router";

import { signOut } from "../client/account";
import { Problem } from "../components/Problem";
import { DeviceBanner } from "./DeviceBanner";
import { leave } from "./leaving";
import { SessionBanner } from "./SessionBanner";
import styles from "./Shell.module.css";
import { hub, useSession } from "./session";

const PLACES = [
  { to: "/", label: "Clean rooms", icon: IconShieldLock, within: ["/rooms", "/drafts"] },
  { to: "/datasets", label: "Datasets", icon: IconDatabase, within: [] },
  { to: "/settings", label: "Settings", icon: IconSettings, within: [] },
  { to: "/tokens", label: "API tokens", icon: IconKey, within: [] },
] as const;

export function Shell({ children }: { children: ReactNode }) {
  const { email, allowsSoftware } = useSession();
  const { pathname } = useLocation();
  // Open for the page where it was opened: going elsewhere closes it.
  const [openAt, setOpenAt] = useState<string | null>(null);
  const open = openAt === pathname;
  const queries = useQueryClient();
  const leaving = useMutation({ mutationFn: () => leave(hub, queries, signOut) });
  return (
    <div className={styles["shell"]}>
      <Anchor href="#main" className={styles["skip"]}>
        Skip to the page
      </Anchor>
      <header className={styles["side"]}>
        <div className={styles["bar"]}>
          <Link to="/" className={styles["brand"]}>
            <img src="/icon.svg" alt="" width={28} height={28} />
            Cloister
          </Link>
          {allowsSoftware && (
            <Tooltip
              multiline
              w={260}
              label="You have allowed enclaves without a trusted execution environment in this browser: whoever runs the server could see the data. Settings take that back."
            >
              <Badge color="red" variant="filled" size="sm" tabIndex={0}>
                Software enclave
              </Badge>
            </Tooltip>
          )}
          <UnstyledButton
            className={styles["menu"]}
            aria-expanded={open}
            aria-controls="places"
            aria-label={open ? "Close the menu" : "Open the menu"}
            onClick={() => setOpenAt(open ? null : pathname)}
          >
            {open ? <IconX aria-hidden /> : <IconMenu2 aria-hidden />}
          </UnstyledButton>
        </div>
        <div id="places" className={styles["places"]} data-open={open || undefined}>
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
                onClick={() => setOpenAt(null)}
              />
            ))}
          </nav>
          <Stack gap="xs" mt="auto">
            {leaving.error !== null && <Problem error={leaving.error} />}
            <Group justify="space-between" wrap="nowrap" gap="xs">
              <Text size="sm" truncate title={email}>
                {email}
              </Text>
              <Group gap={2} wrap="nowrap">
                <ColorScheme />
                <ActionIcon
                  variant="subtle"
                  color="gray"
                  aria-label="Log out"
                  title="Log out"
                  loading={leaving.isPending}
                  onClick={() => leaving.mutate()}
                >
                  <IconLogout size={18} />
                </ActionIcon>
              </Group>
            </Group>
          </Stack>
        </div>
      </header>
      <main id="main" className={styles["main"]} tabIndex={-1}>
        <Stack gap="md">
          <SessionBanner />
          <DeviceBanner />
          {children}
        </Stack>
      </main>
    </div>
  );
}

function ColorScheme() {
  const { colorScheme, setColorScheme } = useMantineColorScheme({ keepTransitions: true });
  const dark = colorScheme === "dark" || (colorScheme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  const label = dark ? "Light colours" : "Dark colours";
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      aria-label={label}
      title={label}
      onClick={() => setColorScheme(dark ? "light" : "dark")}
    >
      {dark ? <IconSun size={18} /> : <IconMoon size={18} />}
    </ActionIcon>
  );
}
