/** Who one is, where one is signed in, with which devices, and what this browser trusts. */

import { useSession } from "../../app/session";
import { Page } from "../../components/Page";
import { Devices } from "./Devices";
import { Password } from "./Password";
import { Protection } from "./Protection";
import { Sessions } from "./Sessions";

export function Component() {
  const { email } = useSession();
  return (
    <Page title="Settings" subtitle={`You are ${email}.`}>
      <Devices />
      <Protection />
      <Sessions />
      <Password />
    </Page>
  );
}
