/** Who asks: a user, their device key, and the identity tokens that bind it. */

import { normalEmail, toHex } from "../core/encoding";
import { AuthorizationError, BadRequestError } from "../core/errors";
import type { Signer } from "../core/signatures";
import type { Hub } from "./hub";
import type { Patience } from "./patience";

const EMAIL = /^[!-+\--?A-~]{1,128}@[!-+\--?A-~]{1,126}$/;

/** Whether a hub could have an account of that address (in its normal form), as `cloister.rooms.emails` has it. */
export function isEmail(email: string): boolean {
  return EMAIL.test(email);
}

export class Identity {
  readonly email: string;
  readonly device: Signer;
  readonly #hub: Hub;
  readonly #patience: Patience;

  /** @throws BadRequestError That is not an email address. */
  constructor(hub: Hub, email: string, device: Signer, patience: Patience) {
    this.email = normalEmail(email);
    if (!isEmail(this.email)) {
      throw new BadRequestError(`${JSON.stringify(email.slice(0, 64))} is not an email address.`);
    }
    this.device = device;
    this.#hub = hub;
    this.#patience = patience;
  }

  /** The public half of the device key, as rooms show it. */
  get deviceKey(): string {
    return toHex(this.device.publicKey);
  }

  /**
   * Makes sure that the hub still takes what is asked here as this user's: all tabs of a browser have one session.
   *
   * @throws AuthorizationError It is somebody else's by now, or nobody's.
   */
  async confirm(): Promise<void> {
    const account = normalEmail(await this.#patience.run(() => this.#hub.account()));
    if (account !== this.email) {
      throw new AuthorizationError(
        `You are logged in as ${account}, not as ${this.email}. Log in anew, or load this page again.`,
      );
    }
  }

  /**
   * A fresh identity token, for a room where one is given.
   *
   * @throws AuthorizationError As `confirm`.
   * @throws BadRequestError The hub has destroyed all keys that the room trusts.
   */
  async token(room?: string): Promise<string> {
    await this.confirm();
    return await this.#patience.run(() => this.#hub.identity(this.device.publicKey, room));
  }
}
