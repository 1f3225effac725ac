/** Shows a page once the enclave was asked to prove itself; where it has no protection, what that means instead. */

import type { ReactNode } from "react";
import { useLocation } from "react-router";

import { ProtectionMissing } from "../core/errors";
import { useTrusted } from "./queries";
import { SoftwareConsent } from "./SoftwareConsent";

/** Pages that speak to the hub alone. */
const WITHOUT = ["/settings", "/tokens"];

export function EnclaveGate({ children, waiting }: { children: ReactNode; waiting: ReactNode }) {
  const { error, isPending } = useTrusted();
  const { pathname } = useLocation();
  if (WITHOUT.includes(pathname)) {
    return children;
  }
  if (isPending) {
    return waiting;
  }
  // Any other refusal is for the page to tell.
  return error instanceof ProtectionMissing ? <SoftwareConsent /> : children;
}
