/** A user's vault: what makes it this vault. As `cloister.rooms.vault`. */

import { decodeCanonical } from "./decode";
import { type Bytes, normalEmail, sha256, toHex } from "./encoding";
import { DefinitionInvalid, VerificationError } from "./errors";
import type { VaultDefinition } from "./records";

const MAX_DEFINITION = 64 * 1024;

/**
 * Reads and checks a vault's definition.
 *
 * @throws DefinitionInvalid It is not canonical, breaks a rule, or is not that of `vault`.
 */
export function readVaultDefinition(data: Bytes, vault: string): VaultDefinition {
  if (data.length > MAX_DEFINITION) {
    throw new DefinitionInvalid("The vault's definition is larger than 64 KiB.");
  }
  if (toHex(sha256(data)) !== vault) {
    throw new DefinitionInvalid("The definition is not the one that this vault's id stands for.");
  }
  let definition: VaultDefinition;
  try {
    definition = decodeCanonical(data, "VaultDefinition", "a vault's definition");
  } catch (error) {
    throw error instanceof VerificationError ? new DefinitionInvalid(error.message) : error;
  }
  if (definition.user !== normalEmail(definition.user)) {
    throw new DefinitionInvalid("The vault's address must be written in lower case.");
  }
  if (
    definition.issuers.length === 0 ||
    definition.issuers.some((each) => each.name === "" || each.keys.length === 0)
  ) {
    throw new DefinitionInvalid("The vault names no issuer of identities, or one without a name or keys.");
  }
  return definition;
}
