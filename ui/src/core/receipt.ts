/**
 * Receipts: an enclave's signed statement of what a result was computed from, by what, and under which log.
 * An in-toto Statement v1 in a DSSE envelope. As `cloister.formats.receipt`.
 */

import { decode } from "./decode";
import { type Bytes, concat, fromBase64, utf8 } from "./encoding";
import { ReceiptInvalid, VerificationError } from "./errors";
import type { Envelope, ReceiptBody, Statement } from "./records";
import { signatureHolds } from "./signatures";

export const PAYLOAD_TYPE = "application/vnd.in-toto+json";

/** What a receipt is about, and what is vouched for. */
export interface Receipt {
  /** Digest of the result's manifest (hex). */
  result: string;
  body: ReceiptBody;
}

/** PAE of DSSE v1: what is signed. */
export function preAuthenticationEncoding(payloadType: string, payload: Uint8Array): Bytes {
  const kind = utf8(payloadType);
  return concat(utf8(`DSSEv1 ${kind.length} ${payloadType} ${payload.length} `), payload);
}

/**
 * Checks a receipt and returns what it vouches for, which the caller compares with what it knows.
 *
 * @throws ReceiptInvalid It is not the enclave's receipt of that result.
 */
export async function verifyReceipt(receipt: Bytes, signing: Uint8Array, result: string): Promise<ReceiptBody> {
  const read = await readReceipt(receipt, signing);
  if (read.result !== result) {
    throw new ReceiptInvalid("The receipt is about another result.");
  }
  return read.body;
}

/**
 * Checks a receipt without its result.
 *
 * @throws ReceiptInvalid It is not a receipt of the enclave's.
 */
export async function readReceipt(receipt: Bytes, signing: Uint8Array): Promise<Receipt> {
  try {
    // 1. One envelope, one signature, of the type that receipts have.
    const envelope: Envelope = decode(receipt, "Envelope", "a receipt");
    const [signature, ...others] = envelope.signatures;
    if (envelope.payloadType !== PAYLOAD_TYPE || signature === undefined || others.length > 0) {
      throw new ReceiptInvalid("The receipt is not an in-toto statement with one signature.");
    }
    const payload = fromBase64(envelope.payload);
    // 2. Signed by the attested key.
    const text = preAuthenticationEncoding(envelope.payloadType, payload);
    if (!(await signatureHolds(signing, text, fromBase64(signature.sig)))) {
      throw new ReceiptInvalid("The receipt was not signed by the enclave, or was changed since.");
    }
    // 3. About one result.
    const statement: Statement = decode(payload, "Statement", "a receipt");
    const digests = statement.subject.map((descriptor) => descriptor.digest);
    const result = digests[0]?.["sha256"];
    if (digests.length !== 1 || result === undefined || Object.keys(digests[0] ?? {}).length !== 1) {
      throw new ReceiptInvalid("The receipt is not about one result.");
    }
    return { result, body: statement.predicate };
  } catch (error) {
    if (error instanceof VerificationError && !(error instanceof ReceiptInvalid)) {
      throw new ReceiptInvalid(error.message);
    }
    throw error;
  }
}
