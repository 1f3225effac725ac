/**
 * Evidence and its appraisal, in the words of RATS (RFC 9334). As `cloister.trust.evidence`.
 *
 * Appraisal raises, or returns what was proven; it never returns a bool.
 */

import { sha512 } from "@noble/hashes/sha2.js";

import { type Bytes, equal, fromBase64, own, pack } from "./encoding";
import { EvidenceRejected, ProtectionMissing } from "./errors";
import type { Attested, Evidence, Reference } from "./records";
import * as software from "./software";

export const ENCLAVE_LABEL = "cloister/enclave-evidence/v1";
/** Bytes of the nonce that a verifier makes for each appraisal. */
export const NONCE_SIZE = 32;

/** What a document of evidence declares or proves, whatever its type. */
export interface Claims {
  /** 64 bytes: see `reportData`. */
  reportData: Bytes;
  measurement: string;
}

/** Reads documents of one type of evidence. */
interface Appraiser {
  /** Whether it proves nothing: then the relying party has to ask for it by name. */
  insecure: boolean;
  /** @throws EvidenceRejected The document is malformed, or its signatures don't hold. */
  read(document: Bytes): Promise<Claims> | Claims;
}

/** The types of evidence that this version can appraise. */
const APPRAISERS: ReadonlyMap<string, Appraiser> = new Map([[software.TYPE, { insecure: true, read: software.read }]]);

/** What a relying party accepts, and what it asks about. */
export interface Appraisal {
  /** `ENCLAVE_LABEL`: evidence of something else can't pass for an enclave's. */
  label: string;
  /** The bytes that this verifier has just made. */
  nonce: Uint8Array;
  /** SHA-256 of the keys that the evidence is to vouch for. */
  keysDigest: Uint8Array;
  references: Iterable<Reference>;
  /** Whether the relying party has said that evidence which proves nothing will do. */
  allowSoftware: boolean;
}

/** What evidence binds: SHA-512 of the label, the verifier's nonce and the digest of the attester's keys. */
export function reportData(label: string, nonce: Uint8Array, keysDigest: Uint8Array): Bytes {
  return own(sha512(pack(label, nonce, keysDigest)));
}

/**
 * Checks evidence against the reference values that the relying party accepts.
 *
 * @throws EvidenceRejected Naming what does not hold, and what to do.
 */
export async function appraise(evidence: Evidence, asked: Appraisal): Promise<Attested> {
  // 1. The type is one that this version can appraise, and that the relying party accepts.
  const appraiser = APPRAISERS.get(evidence.type);
  if (appraiser === undefined) {
    const type = JSON.stringify(evidence.type.slice(0, 40));
    throw new EvidenceRejected(
      `Evidence of the type ${type} is unknown to this version of Cloister. Update the client.`,
    );
  }
  if (appraiser.insecure && !asked.allowSoftware) {
    throw new ProtectionMissing(
      "This enclave runs without a trusted execution environment: nothing would protect your data from the operator " +
        "of its machine. If that is what you want (to try Cloister out, or because you are the operator), say so in " +
        "the settings of this browser.",
    );
  }
  // 2. The document is sound and fresh, and binds these keys.
  const claims = await appraiser.read(documentOf(evidence));
  if (!equal(claims.reportData, reportData(asked.label, asked.nonce, asked.keysDigest))) {
    throw new EvidenceRejected(
      "The evidence is stale, or vouches for other keys than the ones shown. Somebody between may be replaying it: " +
        "try again, and tell the operator if it stays so.",
    );
  }
  // 3. The software is the one that the reference values name.
  const proven = { evidence: evidence.type, measurement: claims.measurement };
  if (![...asked.references].some((reference) => isReference(reference, proven))) {
    throw new EvidenceRejected(
      `The software that runs there (measurement ${claims.measurement}) is not one that was agreed to. Update the ` +
        "client if the service was updated, or use a room that names it.",
    );
  }
  return proven;
}

/** Whether what was proven is what the reference values name. */
export function isReference(reference: Reference, attested: Attested): boolean {
  return reference.evidence === attested.evidence && reference.measurement === attested.measurement;
}

function documentOf(evidence: Evidence): Bytes {
  try {
    return fromBase64(evidence.document);
  } catch {
    throw new EvidenceRejected("The evidence can't be read. Tell the operator.");
  }
}
