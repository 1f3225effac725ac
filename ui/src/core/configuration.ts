/**
 * A room as its author writes it: what is exported, imported, compared and tested, before an enclave and a hub have
 * added what they know. As `cloister.rooms.configuration`.
 */

import { decode } from "./decode";
import { type Bytes, canonical, sha256, text, toHex } from "./encoding";
import { DefinitionInvalid, VerificationError } from "./errors";
import type { Configuration, Definition } from "./records";

const MAX_BYTES = 16 * 1024 * 1024;

/** SHA-256 of the canonical JSON, as hex: the same for everything that says the same. */
export function configurationDigest(configuration: Configuration): string {
  return toHex(sha256(canonical(configuration)));
}

/** What the author of a published room has written, with the locks that publishing has led to. */
export function configurationOf(definition: Definition): Configuration {
  const { title, description, owner, participants, nodes, pins_required, privacy_budget } = definition;
  return {
    format: "cloister-room",
    version: 1,
    title,
    description,
    owner,
    participants,
    nodes,
    pins_required,
    ...(privacy_budget === undefined ? {} : { privacy_budget }),
  };
}

/** The JSON that is exported: indented, so that people can compare two. */
export function writeConfiguration(configuration: Configuration): string {
  return `${JSON.stringify(JSON.parse(text(canonical(configuration))), null, 2)}\n`;
}

/**
 * Reads JSON that was exported, whoever it comes from. Whether the nodes keep the rules is not looked at yet.
 *
 * @throws DefinitionInvalid It is no such JSON; the message says why.
 */
export function readConfiguration(data: Bytes): Configuration {
  if (data.length > MAX_BYTES) {
    throw new DefinitionInvalid("The configuration is larger than 16 MiB.");
  }
  try {
    return decode(data, "Configuration", "the configuration of a room");
  } catch (error) {
    if (!(error instanceof VerificationError)) {
      throw error;
    }
    throw new DefinitionInvalid(
      claims(data)
        ? error.message
        : "This file is no configuration of a room. Choose a JSON file that was exported from a room or a draft.",
    );
  }
}

/** Whether it says that it is one, which another version may understand. */
function claims(data: Bytes): boolean {
  try {
    return JSON.parse(text(data)).format === "cloister-room";
  } catch {
    return false;
  }
}
