"""What was written once is still made the same, and what was encrypted once can still be read.

If one of these fails, a format has changed: stored data, published rooms and other people's clients stop working. Give
the format a new version instead.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from cloister.errors import DecryptionFailed
from cloister.formats.checkpoint import verify_checkpoint
from cloister.formats.dataset import Manifest, check_key, check_manifest, ciphertext_size, commit_key, decrypt_part
from cloister.formats.encoding import canonical, decode, decode_canonical, sha256
from cloister.formats.merkle import verify_consistency, verify_inclusion
from cloister.formats.receipt import ReceiptBody, verify_receipt
from cloister.formats.sealed import (
    EnclaveKeys,
    Exchange,
    SealingKey,
    SignedKeys,
    open_report,
    open_request,
    open_row,
    open_secret,
    open_task,
    verify_keys,
)
from cloister.protocol import EnclaveEvidence, Frame, Report, Request, Task, offer_digest
from cloister.rooms.configuration import configuration_of, read_configuration
from cloister.rooms.definition import ImageReference, Issuer, Reference, read_definition
from cloister.rooms.events import Event
from cloister.rooms.planning import node_digest, plan
from cloister.rooms.vault import VaultEvent, VaultState, read_vault_definition
from cloister.sdk.datasets import DatasetRecord
from cloister.trust.evidence import ENCLAVE_LABEL, Evidence, appraise
from cloister.trust.identity import verify_identity
from tests.vectors import make


def load(name: str) -> Any:
    return json.loads(make.path(name).read_text())


def unhex(text: str) -> bytes:
    return bytes.fromhex(text)


def enclave() -> tuple[SealingKey, EnclaveKeys]:
    """The enclave of the vectors, its private key from raw bytes."""
    vector = load("keys")
    mlkem = MLKEM768PrivateKey.from_seed_bytes(unhex(vector["mlkem768_seed"]))
    x25519 = X25519PrivateKey.from_private_bytes(unhex(vector["x25519_private"]))
    key = SealingKey()
    key.private = hpke.MLKEM768X25519PrivateKey(mlkem, x25519)
    key.public = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
    return key, decode_canonical(vector["canonical"].encode(), EnclaveKeys, what="keys")


@pytest.mark.parametrize("name", sorted(make.DETERMINISTIC))
def test_deterministic_vectors_are_made_the_same(name: str) -> None:
    assert make.path(name).read_text() == make.text(make.DETERMINISTIC[name])


@pytest.mark.parametrize("name", sorted(make.RANDOM))
def test_random_vectors_have_the_form_that_is_made_now(name: str) -> None:
    def form(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: form(each) for key, each in value.items()}
        return [form(each) for each in value] if isinstance(value, list) else type(value)

    assert form(load(name)) == form(json.loads(make.text(make.RANDOM[name])))


def test_every_file_is_known_and_has_a_version() -> None:
    names = {file.stem for file in make.FOLDER.glob("*.json")}
    assert names == {*make.DETERMINISTIC, *make.RANDOM}
    assert all(load(name)["version"] == 1 for name in names)


def test_vault() -> None:
    vector = load("vault")
    definition = read_vault_definition(vector["definition"].encode(), vault=vector["id"])
    state = VaultState()
    for each in vector["events"]:
        state.apply(decode_canonical(each["canonical"].encode(), VaultEvent, what="an event of a vault"))
    assert state.definition == definition
    assert (len(state.devices), len(state.dismissed), state.items, state.reserved) == (1, 1, {}, 0)
    decode_canonical(vector["dataset_item"].encode(), DatasetRecord, what="what is kept of a dataset")


def test_dataset() -> None:
    vector = load("dataset")
    key = unhex(vector["key"])
    assert commit_key(key, vector["dataset"]) == vector["commitment"]
    assert all(ciphertext_size(int(size)) == sealed for size, sealed in vector["ciphertext_sizes"].items())
    for each in [*vector["one_part"], vector["two_parts"]]:
        manifest = decode_canonical(each["manifest"].encode(), Manifest, what="a manifest")
        check_manifest(manifest)
        check_key(key, manifest)
        assert manifest.digest() == each["digest"]
        assert decrypt_part(key, manifest, each.get("index", 0), unhex(each["part"])) == unhex(each["plaintext"])


def test_keys() -> None:
    vector = load("keys")
    sealing, keys = enclave()
    assert sealing.public == keys.sealing == unhex(vector["sealing_public"])
    assert keys.digest().hex() == vector["digest"]
    signed = SignedKeys(keys=keys, signature=unhex(vector["signature"]))
    assert verify_keys(signed, signing=keys.signing) == keys


def test_sealed_requests_and_responses() -> None:
    vector = load("sealed")
    sealing, keys = enclave()
    request = vector["request"]
    opened = open_request(unhex(request["message"]), sealing, keys)
    assert opened.payload == unhex(request["payload"])
    assert opened.device == unhex(vector["device"])
    assert opened.exchange == Exchange(unhex(request["response_key"]), unhex(request["request_digest"]))
    unsigned = open_request(unhex(vector["unsigned_request"]["message"]), sealing, keys)
    assert (unsigned.payload, unsigned.device) == (b"{}", None)
    for frame in vector["response"]:
        data = unhex(frame["frame"])
        assert int.from_bytes(data[:4], "big") == len(data) - 4
        assert opened.exchange.open_frame(frame["index"], data[4:]) == (unhex(frame["payload"]), frame["last"])
        with pytest.raises(DecryptionFailed):
            opened.exchange.open_frame(frame["index"] + 1, data[4:])


def test_sealed_tasks_and_reports() -> None:
    vector = load("sealed")
    sealing, _ = enclave()
    task, report = vector["task"], vector["report"]
    assert open_task(unhex(task["sealed"]), sealing) == unhex(task["plaintext"])
    fields = (unhex(report["task_id"]), unhex(task["sealed"]), unhex(report["report_key"]))
    assert open_report(unhex(report["message"]), *fields) == unhex(report["payload"])


def test_sealed_rows_and_secrets() -> None:
    vector = load("sealed")
    row, secret = vector["row"], vector["secret"]
    place = (unhex(row["key"]), row["room"], row["index"], unhex(row["previous_root"]))
    assert open_row(*place, unhex(row["row"])) == unhex(row["event"])
    opened = open_secret(unhex(secret["key"]), secret["room"], secret["name"], unhex(secret["sealed"]))
    assert opened == unhex(secret["value"])


def test_log() -> None:
    vector = load("log")
    leaves, roots = [unhex(leaf) for leaf in vector["leaves"]], [unhex(root) for root in vector["roots"]]
    for each in vector["inclusion"]:
        proof = [unhex(step) for step in each["proof"]]
        verify_inclusion(leaves[each["index"]], each["index"], each["size"], roots[each["size"]], proof)
    for each in vector["consistency"]:
        proof = [unhex(step) for step in each["proof"]]
        verify_consistency(each["old"], roots[each["old"]], each["size"], roots[each["size"]], proof)
    each = vector["checkpoint"]
    checkpoint = verify_checkpoint(each["note"], unhex(each["public"]), room=each["room"])
    assert (checkpoint.size, checkpoint.root.hex()) == (each["size"], each["root"])


def test_rooms() -> None:
    vector = load("rooms")
    definition = read_definition(vector["definition"].encode(), room=vector["id"])
    assert {node.id: node_digest(node).hex() for node in definition.nodes} == vector["node_digests"]
    for each in vector["plans"]:
        steps = plan(definition, vector["id"], each["target"], each["attached"])
        assert {step.node.id: step.cache_key for step in steps} == each["cache_keys"]
    bringing = vector["with_environment"]
    definition = read_definition(bringing["definition"].encode(), room=bringing["id"])
    steps = plan(definition, bringing["id"], "model", {"patients": "a1" * 32})
    assert {step.node.id: step.cache_key for step in steps} == bringing["cache_keys"]
    tables = vector["with_tables"]
    of_tables = read_definition(tables["definition"].encode(), room=tables["id"])
    assert {node.id: node_digest(node).hex() for node in of_tables.nodes} == tables["node_digests"]
    steps = plan(of_tables, tables["id"], "of pairs", tables["attached"])
    assert {step.node.id: step.cache_key for step in steps} == tables["cache_keys"]
    written = read_configuration(vector["configuration"]["exported"])
    assert written == configuration_of(definition)
    assert written.digest() == vector["configuration"]["digest"]
    for each in vector["events"]:
        data = each["canonical"].encode()
        assert canonical(decode_canonical(data, Event, what="an event")) == data


def test_receipt() -> None:
    vector = load("receipt")
    body = verify_receipt(vector["envelope"].encode(), unhex(vector["public"]), result=vector["result"])
    assert body == msgspec.convert(vector["body"], ReceiptBody)


def test_trust() -> None:
    vector = load("trust")
    shown, software = vector["report_data"], vector["software"]
    reference = Reference(evidence="insecure-software", measurement=software["measurement"])
    appraise(
        decode(software["evidence"].encode(), Evidence, what="evidence"),
        label=ENCLAVE_LABEL,
        nonce=unhex(shown["nonce"]),
        keys_digest=unhex(shown["keys_digest"]),
        references=[reference],
        allow_software=True,
    )
    offer = vector["worker_offer"]
    images = msgspec.convert(offer["images"], tuple[ImageReference, ...])
    assert offer_digest(unhex(offer["key"]), images, None).hex() == offer["digest"]
    assert offer_digest(unhex(offer["key"]), images, load("rooms")["id"]).hex() == offer["digest_for_one_room"]
    identity = vector["identity"]
    issuer = Issuer(name=identity["issuer"], keys=(identity["issuer_public"],))
    bound = verify_identity(identity["token"], unhex(identity["device"]), [issuer], now=identity["now"])
    assert bound == (identity["claims"]["email"], "hub")


def test_protocol() -> None:
    vector = load("protocol")
    kinds: dict[str, Any] = {
        "requests": Request,
        "frames": Frame,
        "tasks": Task,
        "reports": Report,
        "evidence": EnclaveEvidence,
    }
    assert {*kinds, "version"} == vector.keys()
    for name, kind in kinds.items():
        for each in vector[name]:
            message = decode(json.dumps(each).encode(), kind, what="a message")
            assert json.loads(msgspec.json.encode(message)) == each


def test_digests_are_of_the_bytes_that_are_shown() -> None:
    assert sha256(load("rooms")["definition"].encode()).hex() == load("rooms")["id"]
    assert sha256(load("keys")["canonical"].encode()).hex() == load("keys")["digest"]
    assert sha256(unhex(load("sealed")["request"]["message"])).hex() == load("sealed")["request"]["request_digest"]
