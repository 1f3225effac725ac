/** The frame of all pages for people who have signed in. */

import { Center, Loader } from "@mantine/core";
import { Suspense } from "react";
import { Navigate, Outlet, useLocation } from "react-router";

import { Problem } from "../components/Problem";
import { Shell } from "./Shell";
import { SessionProvider, useSigningIn } from "./session";

export function SignedIn() {
  const { session, error, again } = useSigningIn();
  const { pathname } = useLocation();
  if (error !== null) {
    return (
      <Center component="main" p="xl">
        <Problem error={error} onRetry={again} />
      </Center>
    );
  }
  if (session === undefined) {
    return <Waiting />;
  }
  if (session === null) {
    return <Navigate to="/sign-in" state={{ from: pathname }} replace />;
  }
  return (
    <SessionProvider session={session}>
      <Shell>
        <Suspense fallback={<Waiting />}>
          <Outlet />
        </Suspense>
      </Shell>
    </SessionProvider>
  );
}

function Waiting() {
  return (
    <Center p="xl">
      <Loader aria-label="Loading" />
    </Center>
  );
}
