/** Reads JSON strictly into records: unknown fields, versions and kinds are errors. */

import { Validator } from "@cfworker/json-schema";
import canonicalize from "canonicalize";

import { text } from "./encoding";
import { VerificationError } from "./errors";
import type { Records } from "./records";
import schema from "./records.schema.json";

/** The name of a kind of record. */
export type Kind = keyof Records;

const validators = new Map<Kind, Validator>();

/**
 * Reads JSON that was sent or stored.
 *
 * @param what Names it in messages.
 * @throws VerificationError The bytes are not such a record. The message never tells the content of a field.
 */
export function decode<K extends Kind>(data: Uint8Array, kind: K, what: string): Records[K] {
  return checked(parsed(data, what), kind, what);
}

/**
 * Like `decode`, and the bytes must be the canonical ones: one value, one digest.
 *
 * @throws VerificationError As `decode`, or the JSON is not in RFC 8785 form.
 */
export function decodeCanonical<K extends Kind>(data: Uint8Array, kind: K, what: string): Records[K] {
  const value = decode(data, kind, what);
  if (canonicalize(value) !== text(data)) {
    throw new VerificationError(`This is not ${what} in canonical form (RFC 8785).`);
  }
  return value;
}

/**
 * A value that is already parsed, as a record.
 *
 * @throws VerificationError It is none.
 */
export function checked<K extends Kind>(value: unknown, kind: K, what: string): Records[K] {
  const { valid, errors } = validatorOf(kind).validate(value);
  if (!valid) {
    // The deepest place says most; there alone nothing but names of fields can stand.
    const places = errors.map((error) => error.instanceLocation.slice(0, 100));
    const place = places.reduce((deepest, each) => (each.length > deepest.length ? each : deepest), "#");
    throw new VerificationError(`This is not ${what} that this version understands (at ${place}). Update the client.`);
  }
  return value as Records[K];
}

function parsed(data: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(text(data));
  } catch {
    throw new VerificationError(`This is not ${what} that this version understands: it is not JSON in UTF-8.`);
  }
}

function validatorOf(kind: Kind): Validator {
  let validator = validators.get(kind);
  if (validator === undefined) {
    validator = new Validator({ ...schema, $ref: `#/$defs/${kind}` } as ConstructorParameters<typeof Validator>[0]);
    validators.set(kind, validator);
  }
  return validator;
}
