/** What is around every page: looks, the cache of what the servers said, and who is there. */

import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { useState } from "react";
import { RouterProvider } from "react-router/dom";

import { Confirmations } from "../components/confirm";
import { router } from "./routes";
import { theme } from "./theme";

export function App() {
  const [queries] = useState(
    () =>
      new QueryClient({
        defaultOptions: {
          // The client tries again by itself, where that may help.
          queries: { retry: false, networkMode: "always", staleTime: 5_000 },
          mutations: { retry: false, networkMode: "always" },
        },
      }),
  );
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto" withCssVariables={false} withGlobalClasses={false}>
      <QueryClientProvider client={queries}>
        <Notifications position="bottom-right" />
        <Confirmations />
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  );
}
