/**
 * Evidence of the type `insecure-software`: what a program says about itself. It proves nothing, and is refused unless
 * the relying party asks for it by name. As `cloister.trust.software`.
 */

import { decode } from "./decode";
import { type Bytes, fromBase64, pack, sha256, toHex, utf8 } from "./encoding";
import { EvidenceRejected, VerificationError } from "./errors";
import { VERSION } from "./version";

export const TYPE = "insecure-software";

/** The measurement that a part of this release declares: derived from its name and version, not from its code. */
export function measurement(part: "enclave" | "worker", version: string = VERSION): string {
  return toHex(sha256(pack("cloister/insecure-software/v1", utf8(part), utf8(version))));
}

/**
 * The report data and the measurement that a document declares.
 *
 * @throws EvidenceRejected It is malformed.
 */
export function read(document: Bytes): { reportData: Bytes; measurement: string } {
  try {
    const declared = decode(document, "SoftwareDocument", "software evidence");
    return { reportData: fromBase64(declared.report_data), measurement: declared.measurement };
  } catch (error) {
    throw error instanceof VerificationError ? new EvidenceRejected(error.message) : error;
  }
}
