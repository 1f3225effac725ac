import { expect, test } from "vitest";

import { decode } from "../../src/core/decode";
import { canonical, fromBase64, randomBytes, sha256, toBase64, toHex, utf8 } from "../../src/core/encoding";
import { ReceiptInvalid } from "../../src/core/errors";
import { type Appraisal, appraise, ENCLAVE_LABEL, reportData } from "../../src/core/evidence";
import { PAYLOAD_TYPE, preAuthenticationEncoding, readReceipt, verifyReceipt } from "../../src/core/receipt";
import { measurement, TYPE } from "../../src/core/software";
import { freshSigner } from "../enclave";
import { json, load, unhex } from "../vectors";

const vectors = load("trust");
const EVIDENCE = decode(utf8(vectors.software.evidence), "Evidence", "evidence");
const ASKED: Appraisal = {
  label: ENCLAVE_LABEL,
  nonce: unhex(vectors.report_data.nonce),
  keysDigest: unhex(vectors.report_data.keys_digest),
  references: [{ evidence: TYPE, measurement: vectors.software.measurement }],
  allowSoftware: true,
};

test("report data and measurements", () => {
  expect(toHex(reportData(ENCLAVE_LABEL, ASKED.nonce, ASKED.keysDigest))).toBe(vectors.report_data.enclave);
  const worker = reportData("cloister/worker-evidence/v1", ASKED.nonce, ASKED.keysDigest);
  expect(toHex(worker)).toBe(vectors.report_data.worker);
  expect(measurement("enclave", "1.2.3")).toBe(vectors.software["measurement_of_enclave_1.2.3"]);
});

test("software evidence is accepted where somebody has said so", async () => {
  await expect(appraise(EVIDENCE, ASKED)).resolves.toEqual({
    evidence: TYPE,
    measurement: vectors.software.measurement,
  });
});

test.each<[string, Partial<Appraisal>]>([
  ["without a trusted execution environment", { allowSoftware: false }],
  ["stale", { nonce: randomBytes(32) }],
  ["stale", { keysDigest: randomBytes(32) }],
  ["stale", { label: "cloister/worker-evidence/v1" }],
  ["not one that was agreed to", { references: [] }],
  ["not one that was agreed to", { references: [{ evidence: "sev-snp", measurement: vectors.software.measurement }] }],
  ["not one that was agreed to", { references: [{ evidence: TYPE, measurement: "ab".repeat(32) }] }],
])("evidence is refused: %s", async (message, change) => {
  await expect(appraise(EVIDENCE, { ...ASKED, ...change })).rejects.toThrow(message);
});

test("evidence of unknown types, and what is none, is refused", async () => {
  await expect(appraise({ ...EVIDENCE, type: "sev-snp" }, ASKED)).rejects.toThrow("unknown to this version");
  for (const document of ["", "*", toBase64(utf8("{}"))]) {
    await expect(appraise({ ...EVIDENCE, document }, ASKED)).rejects.toThrow(/evidence/);
  }
});

const receipt = load("receipt");
const SIGNED = utf8(receipt.envelope);
const PUBLIC = unhex(receipt.public);

test("a receipt of Python's is read", async () => {
  await expect(verifyReceipt(SIGNED, PUBLIC, receipt.result)).resolves.toEqual(receipt.body);
});

test("receipts of other results, by other keys, or changed, are refused", async () => {
  const other = await freshSigner();
  await expect(verifyReceipt(SIGNED, PUBLIC, "ab".repeat(32))).rejects.toThrow("about another result");
  await expect(readReceipt(SIGNED, other.publicKey)).rejects.toThrow("not signed by the enclave");
  const envelope = JSON.parse(receipt.envelope);
  const [signature] = envelope.signatures;
  const statement = JSON.parse(new TextDecoder().decode(fromBase64(envelope.payload)));
  const node = { ...statement, predicate: { ...statement.predicate, node: "another" } };
  for (const bad of [
    {},
    { ...envelope, payloadType: "text/plain" },
    { ...envelope, signatures: [] },
    { ...envelope, signatures: [signature, signature] },
    { ...envelope, payload: toBase64(canonical(node)) },
    { ...envelope, payload: "*" },
    { ...envelope, signatures: [{ ...signature, sig: toBase64(randomBytes(64)) }] },
    { ...envelope, signatures: [{ ...signature, sig: "" }] },
  ]) {
    await expect(readReceipt(json(bad), PUBLIC)).rejects.toThrow(ReceiptInvalid);
  }
});

test("a receipt is about one result", async () => {
  const signer = await freshSigner();
  const envelope = JSON.parse(receipt.envelope);
  const statement = JSON.parse(new TextDecoder().decode(fromBase64(envelope.payload)));
  const [subject] = statement.subject;
  for (const subjects of [
    [],
    [subject, subject],
    [{ name: "x", digest: {} }],
    [{ name: "x", digest: { sha512: "" } }],
  ]) {
    const payload = canonical({ ...statement, subject: subjects });
    const sig = toBase64(await signer.sign(preAuthenticationEncoding(PAYLOAD_TYPE, payload)));
    const keyid = toHex(sha256(signer.publicKey));
    const bad = { payload: toBase64(payload), payloadType: PAYLOAD_TYPE, signatures: [{ keyid, sig }] };
    await expect(readReceipt(json(bad), signer.publicKey)).rejects.toThrow("not about one result");
  }
});
