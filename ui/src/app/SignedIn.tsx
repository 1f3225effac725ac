/** The frame of all pages for people who have signed in. */

import { Center, Loader } from "@mantine/core";
import { Suspense, useEffect } from "react";
import { Navigate, Outlet, useLocation, useNavigate } from "react-router";

import { Problem } from "../components/Problem";
import { EnclaveGate } from "./EnclaveGate";
import { takePath } from "./returning";
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
        <Returning />
        <EnclaveGate waiting={<Waiting />}>
          <Suspense fallback={<Waiting />}>
            <Outlet />
          </Suspense>
        </EnclaveGate>
      </Shell>
    </SessionProvider>
  );
}

/** Goes on to where somebody wanted to go, who was brought back by a provider. */
function Returning() {
  const navigate = useNavigate();
  useEffect(() => {
    const from = takePath();
    if (from !== null) {
      void navigate(from, { replace: true });
    }
  }, [navigate]);
  return null;
}

function Waiting() {
  return (
    <Center p="xl">
      <Loader role="img" aria-label="Loading" />
    </Center>
  );
}
