/** A room that is being written: what the vault keeps of it, and nobody but its author's devices can read. */

import { readConfiguration } from "../core/configuration";
import { type Bytes, canonical, text, utf8 } from "../core/encoding";
import { VerificationError } from "../core/errors";
import type { Configuration } from "../core/records";

export interface Draft {
  version: 1;
  configuration: Configuration;
  /** The datasets that it is tested with: their ids (of manifests), by data node. Others are tested empty. */
  tests: Record<string, string>;
  /** When it was changed last, in milliseconds since 1970, by this browser's clock. */
  changed: number;
}

/** A draft with nothing in it but its author. */
export function newDraft(title: string, owner: string): Draft {
  const author = { user: owner, data_owner_of: [], analyst_of: [], keys: [] };
  return {
    version: 1,
    configuration: {
      format: "cloister-room",
      version: 1,
      title,
      description: "",
      owner,
      participants: [author],
      nodes: [],
      pins_required: false,
    },
    tests: {},
    changed: Date.now(),
  };
}

/** A draft of what somebody has exported: it becomes the reader's own. */
export function importedDraft(configuration: Configuration, owner: string): Draft {
  const { participants } = configuration;
  const known = participants.some((each) => each.user === owner);
  const author = { user: owner, data_owner_of: [], analyst_of: [], keys: [] };
  return {
    version: 1,
    configuration: { ...configuration, owner, participants: known ? participants : [author, ...participants] },
    tests: {},
    changed: Date.now(),
  };
}

/** What the vault keeps. */
export function encodeDraft(draft: Draft): Bytes {
  return canonical(draft);
}

/**
 * Reads what the vault has kept.
 *
 * @throws VerificationError It is no draft of this version.
 * @throws DefinitionInvalid Its configuration can't be read.
 */
export function decodeDraft(value: Bytes): Draft {
  const { version, configuration, tests, changed, ...more } = parsed(value);
  const known = version === 1 && Object.keys(more).length === 0 && typeof changed === "number";
  if (!known || !isTexts(tests)) {
    throw new VerificationError("This draft was written by another version. Update the pages.");
  }
  return { version, configuration: readConfiguration(utf8(JSON.stringify(configuration))), tests, changed };
}

function parsed(value: Bytes): Record<string, unknown> {
  try {
    return (JSON.parse(text(value)) ?? {}) as Record<string, unknown>;
  } catch {
    throw new VerificationError("What the vault has kept is no draft.");
  }
}

function isTexts(value: unknown): value is Record<string, string> {
  return typeof value === "object" && value !== null && Object.values(value).every((each) => typeof each === "string");
}
