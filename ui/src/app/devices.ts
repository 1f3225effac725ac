/** The user's devices, as the vault has them: those that may open it, and those that would like to. */

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import type { VaultDevice } from "../core/records";
import { keys, useTrusted } from "./queries";
import { useClient } from "./session";

export interface Devices {
  /** The vault's id. */
  vault: string;
  /** Whether the vault is surely the user's own. */
  trusted: boolean;
  all: VaultDevice[];
  /** This browser. */
  mine: VaultDevice | undefined;
  /** Others that aren't admitted yet. */
  waiting: VaultDevice[];
  /** Others that were admitted without this browser's user knowing. */
  surprising: VaultDevice[];
}

/** Milliseconds after which another look is worth it. Nobody looks by themselves: that would keep sessions alive. */
const FRESH = 30_000;

export function useDevices() {
  const client = useClient();
  const { isSuccess } = useTrusted();
  return useQuery({
    queryKey: keys.devices,
    enabled: isSuccess,
    staleTime: FRESH,
    queryFn: async (): Promise<Devices> => {
      const { vault } = client;
      const unknown = new Set((await vault.unknownDevices()).map((device) => device.key));
      const all = await vault.devices();
      const others = all.filter((device) => device.key !== client.deviceKey);
      return {
        vault: await vault.id(),
        trusted: await vault.trusted(),
        all,
        mine: all.find((device) => device.key === client.deviceKey),
        waiting: others.filter((device) => !device.admitted),
        surprising: others.filter((device) => device.admitted && unknown.has(device.key)),
      };
    },
  });
}

/** Something that changes what `useDevices` has. */
export function useDeviceChange(
  change: (vault: ReturnType<typeof useClient>["vault"], value: string) => Promise<void>,
) {
  const { vault } = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (value: string) => change(vault, value),
    // What a device may see has changed with it.
    onSettled: () =>
      Promise.all(
        [keys.devices, keys.drafts, keys.datasets].map((queryKey) => queries.invalidateQueries({ queryKey })),
      ),
  });
}
