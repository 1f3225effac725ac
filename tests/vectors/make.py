"""Makes the vectors: fixed bytes of every format, for tests here and in browsers.

    python -m tests.vectors.make

writes what is deterministic anew, and what is random (encryption) only where the file is missing: those bytes were
made once and must stay readable for ever. All keys here are test keys. Bytes are written as lower-case hexadecimal
digits; texts that are signed or hashed as they are.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from joserfc import jwt
from joserfc.jwk import OKPKey

from cloister.formats.checkpoint import Checkpoint, key_hash, origin, sign_checkpoint
from cloister.formats.dataset import (
    PART_SIZE,
    Part,
    ciphertext_size,
    commit_key,
    encrypt_part,
    make_manifest,
)
from cloister.formats.encoding import canonical, normal_email, number, pack, sha256
from cloister.formats.merkle import MerkleTree, leaf_hash
from cloister.formats.receipt import Attested, Input, ReceiptBody, key_id, sign_receipt, sigstore_bundle
from cloister.formats.sealed import (
    EnclaveKeys,
    seal_report,
    seal_request,
    seal_row,
    seal_secret,
    seal_task,
    sign_keys,
)
from cloister.protocol import offer_digest
from cloister.rooms.audit import audit_line
from cloister.rooms.configuration import configuration_of, write_configuration
from cloister.rooms.definition import Issuer
from cloister.rooms.events import (
    Body,
    DatasetAttached,
    DatasetFetched,
    DatasetRemoved,
    Event,
    KeyBound,
    KeyUnbound,
    LogRead,
    Published,
    Restored,
    ResultFetched,
    ResultLost,
    RunFailed,
    RunFinished,
    RunStarted,
    RunVoided,
    Stopped,
)
from cloister.rooms.planning import node_digest, plan, run_id
from cloister.rooms.vault import (
    DeviceAdmitted,
    DeviceBound,
    DeviceDismissed,
    ItemPut,
    ItemRemoved,
    VaultBody,
    VaultDefinition,
    VaultEvent,
    VaultOpened,
)
from cloister.sdk.datasets import Attachment, DatasetRecord
from cloister.trust import software
from cloister.trust.evidence import ENCLAVE_LABEL, WORKER_LABEL, Evidence, report_data
from tests import messages
from tests.parts import encrypted
from tests.rooms.examples import ANALYST, HOSPITAL, OWNER, ROOM, WITH_ENVIRONMENT
from tests.rooms.kinds import TABLES
from tests.vectors.cells import cells
from tests.vectors.rules import rules

FOLDER = Path(__file__).parent
SIGNING_SEED, DEVICE_SEED, ISSUER_SEED = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32
MLKEM_SEED, X25519_SEED = bytes(range(64)), b"\x04" * 32
KEY = bytes(range(32))
TABLE_DATA = {"people": "a1" * 32, "sales": "b2" * 32}
SIGNING = Ed25519PrivateKey.from_private_bytes(SIGNING_SEED)
DEVICE = Ed25519PrivateKey.from_private_bytes(DEVICE_SEED)
SIGNING_PUBLIC = SIGNING.public_key().public_bytes_raw()
DEVICE_PUBLIC = DEVICE.public_key().public_bytes_raw()
SEALING_PUBLIC = (
    MLKEM768PrivateKey.from_seed_bytes(MLKEM_SEED).public_key().public_bytes_raw()
    + X25519PrivateKey.from_private_bytes(X25519_SEED).public_key().public_bytes_raw()
)
KEYS = EnclaveKeys(made=1_700_000_000_000, signing=SIGNING_PUBLIC, sealing=SEALING_PUBLIC)
WORKER = Attested(evidence="insecure-software", measurement="55" * 32)
READ = (Input(node="patients", manifest="a1" * 32), Input(node="lab", manifest=None))
VAULT = VaultDefinition(nonce="0b" * 32, user=HOSPITAL, issuers=(Issuer(name="hub", keys=(SIGNING_PUBLIC.hex(),)),))
ATTACHED = {"patients": "a1" * 32}
CT_LEAVES = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")


# --- deterministic ----------------------------------------------------------------------------------------------


def encoding() -> dict[str, Any]:
    packs: list[tuple[str, list[bytes]]] = [
        ("", []),
        ("label", []),
        ("label", [b""]),
        ("label", [b"a", b"bc"]),
        ("label", [b"ab", b"c"]),
        ("\u00fc", [number(0), number(2**53), bytes(300)]),
    ]
    values: list[Any] = [
        {},
        [],
        "",
        None,
        True,
        0,
        -1,
        2**53 - 1,
        1.0,
        0.1,
        1e21,
        1e-7,
        {"b": 1, "a": [1, {"d": None, "c": False}]},
        {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7},
        '\u0000\u001f\u007f\u0080\u2028"\\/\b\f\n\r\t\U0001f512',
    ]
    return {
        "pack": [
            {"label": label, "fields": [field.hex() for field in fields], "packed": pack(label, *fields).hex()}
            for label, fields in packs
        ],
        "canonical": [{"value": value, "bytes": canonical(value).hex()} for value in values],
        "normal_email": [{"email": each, "normal": normal_email(each)} for each in ("A.B@Example.ORG", " a@b ")],
    }


def log() -> dict[str, Any]:
    entries = [bytes.fromhex(leaf) for leaf in CT_LEAVES]
    tree = MerkleTree()
    for entry in entries:
        tree.append(entry)
    size = len(entries)
    checkpoint = Checkpoint(ROOM.id(), size, tree.root())
    return {
        "leaves": list(CT_LEAVES),
        "leaf_hashes": [leaf_hash(entry).hex() for entry in entries],
        "roots": [tree.root(each).hex() for each in range(size + 1)],
        "inclusion": [
            {"index": index, "size": each, "proof": [step.hex() for step in tree.inclusion_proof(index, each)]}
            for each in range(1, size + 1)
            for index in range(each)
        ],
        "consistency": [
            {"old": old, "size": each, "proof": [step.hex() for step in tree.consistency_proof(old, each)]}
            for each in range(size + 1)
            for old in range(each + 1)
        ],
        "checkpoint": {
            "signing_seed": SIGNING_SEED.hex(),
            "public": SIGNING_PUBLIC.hex(),
            "room": checkpoint.room,
            "size": size,
            "root": checkpoint.root.hex(),
            "key_hash": key_hash(SIGNING_PUBLIC, checkpoint.room).hex(),
            "verifier_key": verifier_key(checkpoint.room),
            "note": sign_checkpoint(checkpoint, SIGNING),
        },
    }


def verifier_key(room: str) -> str:
    """The key of a room's checkpoints in the text form that other tools for signed notes read."""
    encoded = base64.b64encode(b"\x01" + SIGNING_PUBLIC).decode()
    return f"{origin(room)}+{key_hash(SIGNING_PUBLIC, room).hex()}+{encoded}"


def keys() -> dict[str, Any]:
    return {
        "mlkem768_seed": MLKEM_SEED.hex(),
        "x25519_private": X25519_SEED.hex(),
        "sealing_public": SEALING_PUBLIC.hex(),
        "signing_seed": SIGNING_SEED.hex(),
        "canonical": canonical(KEYS).decode(),
        "digest": KEYS.digest().hex(),
        "signature": sign_keys(KEYS, SIGNING).signature.hex(),
    }


def events() -> list[Event]:
    bodies: list[tuple[str, Body]] = [
        (OWNER, Published(definition=ROOM)),
        (HOSPITAL, KeyBound(user=HOSPITAL, key=DEVICE_PUBLIC.hex(), issuer="hub")),
        (HOSPITAL, DatasetAttached(node="patients", manifest="a1" * 32, request="08" * 32, readers=("11" * 32,))),
        (ANALYST, RunStarted(run="01" * 32, node="joined", cache_key="02" * 32, inputs=READ)),
        (ANALYST, RunFinished(run="01" * 32, node="joined", manifest="03" * 32, worker=WORKER)),
        (ANALYST, RunFailed(run="04" * 32, node="report")),
        ("enclave", RunVoided(run="05" * 32, node="report", reason="interrupted")),
        (ANALYST, ResultFetched(run="01" * 32, node="joined")),
        (ANALYST, LogRead(size=9)),
        (HOSPITAL, DatasetFetched(node="patients", manifest="a1" * 32)),
        (HOSPITAL, DatasetRemoved(node="patients", manifest="a1" * 32, request="06" * 32)),
        (OWNER, Stopped()),
        (HOSPITAL, KeyUnbound(user=HOSPITAL, key=DEVICE_PUBLIC.hex())),
        ("enclave", Restored(restore="09" * 32, declared=1_700_000_000_000)),
        (ANALYST, ResultLost(run="01" * 32, node="joined")),
    ]
    return [Event(time=1_700_000_000_000 + index, actor=actor, body=body) for index, (actor, body) in enumerate(bodies)]


def rooms() -> dict[str, Any]:
    tree = MerkleTree()
    for event in events():
        tree.append(canonical(event))
    return {
        "definition": ROOM.canonical().decode(),
        "id": ROOM.id(),
        "node_digests": {node.id: node_digest(node).hex() for node in ROOM.nodes},
        "plans": [
            {
                "target": "report",
                "attached": attached,
                "cache_keys": {step.node.id: step.cache_key for step in plan(ROOM, ROOM.id(), "report", attached)},
            }
            for attached in (ATTACHED, {**ATTACHED, "lab": "b2" * 32})
        ],
        "with_environment": {
            "definition": WITH_ENVIRONMENT.canonical().decode(),
            "id": WITH_ENVIRONMENT.id(),
            "cache_keys": {
                step.node.id: step.cache_key
                for step in plan(WITH_ENVIRONMENT, WITH_ENVIRONMENT.id(), "model", ATTACHED)
            },
        },
        "with_tables": {
            "definition": TABLES.canonical().decode(),
            "id": TABLES.id(),
            "node_digests": {node.id: node_digest(node).hex() for node in TABLES.nodes},
            "attached": TABLE_DATA,
            "cache_keys": {step.node.id: step.cache_key for step in plan(TABLES, TABLES.id(), "of pairs", TABLE_DATA)},
        },
        "configuration": {
            "exported": write_configuration(configuration_of(WITH_ENVIRONMENT)),
            "digest": configuration_of(WITH_ENVIRONMENT).digest(),
        },
        "run_id": {"job": "07" * 32, "node": "report", "run": run_id("07" * 32, "report")},
        "events": [
            {
                "canonical": canonical(event).decode(),
                "leaf_hash": leaf_hash(canonical(event)).hex(),
                "audit_line": audit_line(event),
            }
            for event in events()
        ],
        "root": tree.root().hex(),
    }


def vault_events() -> list[VaultEvent]:
    device, other, item = DEVICE_PUBLIC.hex(), "0a" * 32, f"dataset/{'a1' * 32}"
    bodies: list[VaultBody] = [
        VaultOpened(definition=VAULT),
        DeviceBound(key=device, issuer="hub"),
        DeviceBound(key=other, issuer="hub"),
        DeviceAdmitted(key=other),
        ItemPut(item=item, reserved=4096, request="08" * 32),
        ItemRemoved(item=item),
        DeviceDismissed(key=other),
        Restored(restore="09" * 32, declared=1_700_000_000_000),
    ]
    return [
        VaultEvent(time=1_700_000_000_000 + at, device=None if isinstance(body, Restored) else device, body=body)
        for at, body in enumerate(bodies)
    ]


def vault() -> dict[str, Any]:
    tree = MerkleTree()
    for event in vault_events():
        tree.append(canonical(event))
    attached = (Attachment(room=ROOM.id(), node="patients"),)
    record = DatasetRecord(name="patients.csv", description="", size=20, created=1_700_000_000_000, attached=attached)
    return {
        "definition": VAULT.canonical().decode(),
        "id": VAULT.id(),
        "events": [
            {"canonical": canonical(event).decode(), "leaf_hash": leaf_hash(canonical(event)).hex()}
            for event in vault_events()
        ],
        "root": tree.root().hex(),
        "dataset_item": canonical(record).decode(),
    }


def receipt() -> dict[str, Any]:
    body = ReceiptBody(
        room=ROOM.id(),
        node="report",
        definition=node_digest(ROOM.nodes[3]).hex(),
        run="01" * 32,
        inputs=READ,
        image="python",
        image_measurement="66" * 32,
        enclave=Attested(evidence="insecure-software", measurement="44" * 32),
        worker=WORKER,
        log_index=4,
        checkpoint=sign_checkpoint(Checkpoint(ROOM.id(), 5, bytes(32)), SIGNING),
        finished=1_700_000_000_004,
    )
    envelope = sign_receipt(body, "03" * 32, "report.zip.manifest", SIGNING)
    return {
        "signing_seed": SIGNING_SEED.hex(),
        "public": SIGNING_PUBLIC.hex(),
        "key_id": key_id(SIGNING_PUBLIC),
        "result": "03" * 32,
        "name": "report.zip.manifest",
        "body": msgspec.to_builtins(body),
        "envelope": envelope.decode(),
        "sigstore_bundle": sigstore_bundle(envelope),
    }


def trust() -> dict[str, Any]:
    nonce, digest = b"\x08" * 32, KEYS.digest()
    bound = report_data(ENCLAVE_LABEL, nonce, digest)
    document = software.produce(bound, "44" * 32)
    issuer = Ed25519PrivateKey.from_private_bytes(ISSUER_SEED)
    device = OKPKey.import_key(DEVICE.public_key()).as_dict(private=False)
    claims = {
        "iss": "hub",
        "aud": "cloister-enclave",
        "sub": ANALYST,
        "email": ANALYST,
        "iat": 1_700_000_000,
        "exp": 1_700_000_300,
        "jti": "1",
        "cnf": {"jwk": {name: device[name] for name in ("kty", "crv", "x")}},
    }
    header = {"alg": "Ed25519", "typ": "JWT", "kid": "test"}
    return {
        "report_data": {
            "nonce": nonce.hex(),
            "keys_digest": digest.hex(),
            "enclave": bound.hex(),
            "worker": report_data(WORKER_LABEL, nonce, digest).hex(),
        },
        "worker_offer": {
            "key": SEALING_PUBLIC.hex(),
            "images": msgspec.to_builtins(ROOM.images),
            "digest": offer_digest(SEALING_PUBLIC, ROOM.images, None).hex(),
            "digest_for_one_room": offer_digest(SEALING_PUBLIC, ROOM.images, ROOM.id()).hex(),
        },
        "software": {
            "measurement": "44" * 32,
            "document": document.decode(),
            "evidence": msgspec.json.encode(Evidence(type=software.TYPE, document=document)).decode(),
            "measurement_of_enclave_1.2.3": software.measurement("enclave", "1.2.3"),
        },
        "identity": {
            "issuer_seed": ISSUER_SEED.hex(),
            "issuer": "hub",
            "issuer_public": issuer.public_key().public_bytes_raw().hex(),
            "device": DEVICE_PUBLIC.hex(),
            "now": 1_700_000_100,
            "claims": claims,
            "token": jwt.encode(header, claims, OKPKey.import_key(issuer), algorithms=["Ed25519"]),
        },
    }


def protocol() -> dict[str, Any]:
    def shown(values: Any) -> list[Any]:
        return [msgspec.to_builtins(value) for value in values]

    return {
        "requests": shown(messages.REQUESTS),
        "frames": shown(messages.FRAMES),
        "tasks": shown([messages.TASK, messages.SCRIPT_WITH_PACKAGES]),
        "reports": shown(messages.REPORTS),
        "evidence": shown([messages.SHOWN]),
    }


# --- random: made once ------------------------------------------------------------------------------------------


def dataset() -> dict[str, Any]:
    identifier = "aa" * 32
    small = []
    for plaintext in (b"", b"name,age\nada,36\n", bytes(16384)):
        ((_, part, _),) = encrypted([plaintext], KEY, identifier)
        manifest = make_manifest(KEY, identifier, len(plaintext), [Part(size=len(part), sha256=sha256(part).hex())])
        small.append(
            {
                "plaintext": plaintext.hex(),
                "part": part.hex(),
                "manifest": canonical(manifest).decode(),
                "digest": manifest.digest(),
            }
        )
    # Of a large one only the last part is kept: it can be read without the others.
    parts = [
        encrypt_part(KEY, identifier, index, last=index == 1, plaintext=plaintext)
        for index, plaintext in enumerate((bytes(PART_SIZE), b"the end"))
    ]
    listed = [Part(size=len(part), sha256=sha256(part).hex()) for part in parts]
    manifest = make_manifest(KEY, identifier, PART_SIZE + 7, listed)
    return {
        "key": KEY.hex(),
        "dataset": identifier,
        "part_size": PART_SIZE,
        "commitment": commit_key(KEY, identifier),
        "context_of_part_0_last": pack("cloister/dataset-part/v1", bytes.fromhex(identifier), number(0), b"\x01").hex(),
        "context_of_part_1_not_last": pack(
            "cloister/dataset-part/v1", bytes.fromhex(identifier), number(1), b"\x00"
        ).hex(),
        "ciphertext_sizes": {str(size): ciphertext_size(size) for size in (0, 1, 16383, 16384, 16385, PART_SIZE)},
        "one_part": small,
        "two_parts": {
            "manifest": canonical(manifest).decode(),
            "digest": manifest.digest(),
            "index": 1,
            "part": parts[1].hex(),
            "plaintext": b"the end".hex(),
        },
    }


def sealed() -> dict[str, Any]:
    payload = msgspec.json.encode(messages.REQUESTS[5])
    message, exchange = seal_request(KEYS, payload, DEVICE)
    unsigned, _ = seal_request(KEYS, b"{}", None)
    frames = [(b"first", False), (b"", False), (b"last", True)]
    task, task_id, report_key = b"a task", b"\x05" * 32, b"\x06" * 32
    sealed_task = seal_task(SEALING_PUBLIC, task)
    room, root = "aa" * 32, b"\x09" * 32
    return {
        "keys": "see keys.json",
        "device_seed": DEVICE_SEED.hex(),
        "device": DEVICE_PUBLIC.hex(),
        "request": {
            "payload": payload.hex(),
            "info": pack("cloister/request/v1", KEYS.digest()).hex(),
            "signed_text": pack("cloister/device-signature/v1", KEYS.digest(), exchange.response_key, payload).hex(),
            "message": message.hex(),
            "response_key": exchange.response_key.hex(),
            "request_digest": exchange.request_digest.hex(),
        },
        "unsigned_request": {"payload": b"{}".hex(), "message": unsigned.hex()},
        "response": [
            {
                "index": index,
                "last": last,
                "payload": payload.hex(),
                "context": pack(
                    "cloister/response/v1", exchange.request_digest, number(index), b"\x01" if last else b"\x00"
                ).hex(),
                "frame": exchange.seal_frame(index, payload, last=last).hex(),
            }
            for index, (payload, last) in enumerate(frames)
        ],
        "task": {
            "info": pack("cloister/task/v1", sha256(SEALING_PUBLIC)).hex(),
            "plaintext": task.hex(),
            "sealed": sealed_task.hex(),
        },
        "report": {
            "task_id": task_id.hex(),
            "report_key": report_key.hex(),
            "context": pack("cloister/report/v1", task_id, sha256(sealed_task)).hex(),
            "payload": b"done".hex(),
            "message": seal_report(task_id, sealed_task, report_key, b"done").hex(),
        },
        "row": {
            "key": KEY.hex(),
            "room": room,
            "index": 3,
            "previous_root": root.hex(),
            "event": b"an event".hex(),
            "row": seal_row(KEY, room, 3, root, b"an event").hex(),
        },
        "secret": {
            "key": KEY.hex(),
            "room": room,
            "name": "dataset/lab",
            "value": b"a secret".hex(),
            "sealed": seal_secret(KEY, room, "dataset/lab", b"a secret").hex(),
        },
    }


DETERMINISTIC: dict[str, Callable[[], dict[str, Any]]] = {
    "cells": cells,
    "encoding": encoding,
    "keys": keys,
    "log": log,
    "protocol": protocol,
    "receipt": receipt,
    "rooms": rooms,
    "rules": rules,
    "trust": trust,
    "vault": vault,
}
RANDOM: dict[str, Callable[[], dict[str, Any]]] = {"dataset": dataset, "sealed": sealed}


def path(name: str) -> Path:
    """Where the vectors of that name lie."""
    return FOLDER / f"{name}.json"


def text(make: Callable[[], dict[str, Any]]) -> str:
    """A file of vectors."""
    return json.dumps({"version": 1, **make()}, indent=1) + "\n"


def main() -> None:
    """Writes the files."""
    for name, make in DETERMINISTIC.items():
        path(name).write_text(text(make))
    for name, make in RANDOM.items():
        if not path(name).exists():
            path(name).write_text(text(make))


if __name__ == "__main__":
    main()
