/**
 * The user's vault in the enclave: found, opened, and watched for devices that aren't the user's. As
 * `cloister.sdk.vault`.
 */

import {
  type Bytes,
  canonical,
  fromBase64,
  pack,
  randomHex,
  sha256,
  text,
  toBase64,
  toHex,
  utf8,
} from "../core/encoding";
import { BadRequestError, CloisterError, DefinitionInvalid, NotFoundError, VerificationError } from "../core/errors";
import type { Issuer, Item, VaultDefinition, VaultDevice } from "../core/records";
import { readVaultDefinition } from "../core/vault";
import type { Hub } from "./hub";
import type { AnswerBody, RequestBody, RoomLink } from "./link";
import type { Patience } from "./patience";
import type { Store } from "./store";

/** What this browser knows of the vault: which it is, and the devices that the user knows of. */
interface Remembered {
  version: 1;
  /** Canonical JSON. */
  definition: string;
  devices: string[];
  trusted: boolean;
}

/** Which vault is the user's. */
interface Found {
  id: string;
  definition: VaultDefinition;
}

// A hub on this very machine, and none behind pages of one's own: these are called `<name>.localhost`.
const HERE = ["localhost", "127.0.0.1", "[::1]"];

/** What a vault is opened with. */
export interface VaultOptions {
  hub: Hub;
  store: Store;
  patience: Patience;
  /** Makes the way to a vault. */
  link: (vault: string) => RoomLink;
  /** The issuer that a new vault is to believe. */
  issuer: () => Promise<Issuer>;
  /** The id that the user has given, where they have. */
  named?: string | undefined;
}

/** An opened vault. */
interface Opened {
  link: RoomLink;
  definition: VaultDefinition;
  /** The enclave that has shown its log: nobody else gets anything. */
  signing: string;
  /** Keys of devices that the user knows of. */
  seen: Set<string>;
  trusted: boolean;
}

/** One user's vault. It is opened when it is first used. */
export class Vault {
  readonly #email: string;
  readonly #device: string;
  readonly #options: VaultOptions;
  readonly #place: string;
  #opened: Promise<Opened> | undefined;

  constructor(email: string, device: string, options: VaultOptions) {
    this.#email = email;
    this.#device = device;
    this.#options = options;
    this.#place = toHex(sha256(pack("cloister/vault-file/v1", utf8(options.hub.url), utf8(email))));
  }

  /** Which vault it is. */
  async id(): Promise<string> {
    return (await this.open()).link.room;
  }

  /**
   * Whether it is surely the user's own: this browser was alone in it once, or the user has named it. On a new device
   * it is the hub that says which vault is the user's; one that lies would show a vault of its own.
   */
  async trusted(): Promise<boolean> {
    return (await this.open()).trusted;
  }

  /** Devices that this browser's user hasn't spoken about: they admit, acknowledge or dismiss them. */
  async unknownDevices(): Promise<VaultDevice[]> {
    const { seen } = await this.open();
    return (await this.devices()).filter((device) => !seen.has(device.key));
  }

  /** The user knows that device: it isn't pointed out any more. */
  async acknowledge(key: string): Promise<void> {
    const opened = await this.open();
    opened.seen.add(key);
    await this.#remember(opened);
  }

  /**
   * The user has compared the vault's id with what a device of theirs shows: it is surely their own from now on.
   *
   * @throws VerificationError It is another one than the one that was compared.
   */
  async recognise(id: string): Promise<void> {
    const opened = await this.open();
    if (id !== opened.link.room) {
      throw new VerificationError(`This browser's vault is ${opened.link.room}, not the one that you have compared.`);
    }
    opened.trusted = true;
    await this.#remember(opened);
  }

  /** The opened vault. */
  async open(): Promise<Opened> {
    this.#opened ??= this.#open();
    try {
      return await this.#opened;
    } catch (error) {
      this.#opened = undefined;
      throw error;
    }
  }

  /** All devices that may open it, in the order in which they came. */
  async devices(): Promise<VaultDevice[]> {
    const { definition } = await this.open();
    return (await this.#ask({ type: "open_vault", definition: encoded(definition) }, "vault_status")).devices;
  }

  /** Lets a device see the keys that others have put. */
  async admit(key: string): Promise<void> {
    await this.#ask({ type: "admit_device", key }, "done");
    await this.acknowledge(key);
  }

  /** Puts a device out for good. */
  async dismiss(key: string): Promise<void> {
    await this.#ask({ type: "dismiss_device", key }, "done");
  }

  /**
   * Puts an item there; its revision.
   *
   * @param replaces The revision that it takes the place of; null for an item that isn't there.
   * @param request The revision that it becomes, where it was chosen beforehand: to put the same twice puts it once.
   * @throws BadRequestError There is another revision by now, or the vault is full.
   */
  async put(item: string, value: Bytes, replaces: string | null = null, request = randomHex()): Promise<string> {
    await this.#ask({ type: "put_item", item, value: toBase64(value), request, replaces, blob: null }, "done");
    return request;
  }

  /**
   * Puts items there that belong together, none of which is there yet: all of them or none.
   *
   * @param blobs For names in `values`, what the hub is to keep for as long.
   */
  async putNew(values: Record<string, Bytes>, blobs: Record<string, string> = {}): Promise<void> {
    const items = Object.entries(values).map(([item, value]) => ({
      type: "put_item" as const,
      item,
      value: toBase64(value),
      request: randomHex(),
      replaces: null,
      blob: blobs[item] ?? null,
    }));
    await this.#ask({ type: "put_items", items }, "done");
  }

  /** An item, or undefined. */
  async read(item: string): Promise<Item | undefined> {
    try {
      const { items } = await this.#ask({ type: "read_item", item }, "items");
      if (items.length !== 1 || items[0]?.item !== item) {
        throw answeredElse();
      }
      return items[0];
    } catch (error) {
      if (error instanceof NotFoundError) {
        return undefined;
      }
      throw error;
    }
  }

  /** All items of a kind, in the order of their names. */
  async *list(kind: string): AsyncGenerator<Item> {
    for (let [after, more] = ["", true]; more; ) {
      const page: Extract<AnswerBody, { type: "items" }> = await this.#ask(
        { type: "list_items", kind, after },
        "items",
      );
      for (const item of page.items) {
        if (!item.item.startsWith(`${kind}/`) || item.item <= after) {
          throw answeredElse();
        }
        after = item.item;
        yield item;
      }
      if (page.more && page.items.length === 0) {
        throw answeredElse();
      }
      more = page.more;
    }
  }

  /** Takes an item out, unless it was changed since. */
  async remove({ item, revision }: Item): Promise<void> {
    await this.#ask({ type: "remove_item", item, revision }, "done");
  }

  /** Asks the very enclave that has shown before that its log of the vault goes on from all that was seen. */
  async #ask<T extends AnswerBody["type"]>(body: RequestBody, type: T): Promise<Extract<AnswerBody, { type: T }>> {
    const { link, signing } = await this.open();
    return (await link.ask(body, type, { signing })).body;
  }

  async #open(): Promise<Opened> {
    const remembered = await this.#recall();
    const shown = await this.#show(await this.#find(remembered)).catch(async (error: unknown) => {
      if (error instanceof NotFoundError && remembered !== undefined && (await this.#isSetUpAnew(remembered))) {
        return await this.#show(await this.#find(undefined));
      }
      throw error;
    });
    const { id, definition, link, told } = shown;
    const known = remembered?.definition === text(canonical(definition)) ? remembered : undefined;
    const { devices } = told.body;
    const admitted = devices.filter((device) => device.admitted).map((device) => device.key);
    // Whoever was here first and let others in might have let in itself; nobody has if this browser is alone.
    const alone = admitted.length === 1 && admitted[0] === this.#device;
    const trusted = id === this.#options.named || known?.trusted === true || alone;
    const seen = new Set([...(known?.devices ?? devices.map((device) => device.key)), this.#device]);
    const opened = { link, definition, signing: told.trusted.keys.signing, seen, trusted };
    await this.#remember(opened);
    return opened;
  }

  async #show({ id, definition }: Found) {
    const link = this.#options.link(id);
    const told = await link.ask({ type: "open_vault", definition: encoded(definition) }, "vault_status");
    return { id, definition, link, told };
  }

  /**
   * Whether the remembered vault is gone because there is another installation at this address now. A hub that only
   * says so gets no key by that: into a vault of its own making none is put. On the user's own machine trials come and
   * go; elsewhere it is for the user to find out.
   *
   * @throws VerificationError It is so, and the hub is not on this machine.
   */
  async #isSetUpAnew({ definition: gone }: Remembered): Promise<boolean> {
    const { hub, patience } = this.#options;
    const said = await patience
      .run(() => hub.vault())
      .catch((error: unknown) => {
        if (error instanceof NotFoundError) {
          return undefined;
        }
        throw error;
      });
    if (said === gone) {
      return false;
    }
    if (!HERE.includes(new URL(hub.url).hostname)) {
      throw new VerificationError(
        `Your vault ${toHex(sha256(utf8(gone)))}, which this browser has used here, is not there any more. Either ` +
          "everything was set up anew, or the hub hides it. Ask the operator; if they tell you so in a way that you " +
          "trust, clear what the browser keeps for this site to begin with a new vault.",
      );
    }
    return true;
  }

  /** Which vault is the user's: as remembered, else as the hub says, else a new one. */
  async #find(known: Remembered | undefined): Promise<Found> {
    const data = utf8(known?.definition ?? (await this.#fromHub()));
    const id = toHex(sha256(data));
    const { named } = this.#options;
    if (named !== undefined && id !== named) {
      throw new VerificationError(
        `The hub shows another vault than the one that you have named: ${id}. Nothing was sent to it. Check what you ` +
          "have named; if it is right, ask the operator why.",
      );
    }
    let definition: VaultDefinition;
    try {
      definition = readVaultDefinition(data, id);
    } catch (error) {
      if (error instanceof DefinitionInvalid) {
        throw new VerificationError(`The hub shows a vault that can't be: ${error.message}`);
      }
      throw error;
    }
    if (definition.user !== this.#email) {
      throw new VerificationError(`The hub shows the vault of ${definition.user} as yours. Ask the operator why.`);
    }
    return { id, definition };
  }

  async #fromHub(): Promise<string> {
    const { hub, issuer, named, patience } = this.#options;
    try {
      return await patience.run(() => hub.vault());
    } catch (error) {
      if (!(error instanceof NotFoundError)) {
        throw error;
      }
    }
    if (named !== undefined) {
      throw new NotFoundError("The hub knows of no vault of yours, and you have named one.");
    }
    const fresh: VaultDefinition = { version: 1, nonce: randomHex(), user: this.#email, issuers: [await issuer()] };
    const definition = text(canonical(fresh));
    try {
      await patience.run(() => hub.enterVault(definition));
    } catch (error) {
      if (!(error instanceof BadRequestError)) {
        throw error;
      }
      // Another device of the user was faster.
      return await patience.run(() => hub.vault());
    }
    return definition;
  }

  async #recall(): Promise<Remembered | undefined> {
    const stored = (await this.#options.store.get("vaults", this.#place)) as Partial<Remembered> | undefined;
    if (stored !== undefined && (stored.version !== 1 || typeof stored.definition !== "string")) {
      throw new CloisterError("What this browser remembers of your vault is damaged. Clear the site's data.");
    }
    return stored as Remembered | undefined;
  }

  /** With what other pages of this browser have written meanwhile: what the user has said there isn't forgotten. */
  async #remember(opened: Opened): Promise<void> {
    const definition = text(canonical(opened.definition));
    const { devices, trusted } = await this.#options.store.update("vaults", this.#place, (there): Remembered => {
      const before = there as Remembered | undefined;
      const same = before?.definition === definition;
      const devices = new Set([...(same ? before.devices : []), ...opened.seen]);
      return { version: 1, definition, devices: [...devices], trusted: opened.trusted || (same && before.trusted) };
    });
    devices.forEach((device) => opened.seen.add(device));
    opened.trusted = trusted;
  }
}

/** An item's value. */
export function itemValue(item: Item): Bytes {
  return fromBase64(item.value);
}

function encoded(definition: VaultDefinition): string {
  return toBase64(canonical(definition));
}

function answeredElse(): VerificationError {
  return new VerificationError("The vault shows other items than were asked for. Ask the operator why.");
}
