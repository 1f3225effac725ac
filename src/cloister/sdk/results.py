"""A result, from the enclave's answer to the file: nothing is handed out that the receipt doesn't vouch for."""

from __future__ import annotations

import hashlib
import hmac
import tempfile
from collections.abc import Iterable
from typing import IO, cast

from cloister.errors import DecryptionFailed, LogTampered, ReceiptInvalid
from cloister.formats.checkpoint import Checkpoint, verify_checkpoint
from cloister.formats.receipt import Attested, ReceiptBody, verify_receipt
from cloister.protocol import Result
from cloister.rooms.definition import Definition, Reference
from cloister.rooms.events import Event, RunFinished, RunStarted
from cloister.rooms.nodes import DataNode, RunNode, sources
from cloister.rooms.planning import node_digest
from cloister.sdk.uploads import Transfers
from cloister.wire.channel import Trusted

_IN_MEMORY = 32 * 1024 * 1024
"""Bytes; larger results go to a temporary file that has no name."""


class _ResultFile(tempfile.SpooledTemporaryFile[bytes]):
    """Scripts written after the documentation never close the archive that they are given: that is no leak to warn of,
    as what nobody refers to any more closes itself."""

    def __del__(self) -> None:
        self.close()


def check_receipt(
    result: Result, definition: Definition, room: str, node: RunNode, trusted: Trusted, log: Checkpoint
) -> ReceiptBody:
    """Checks that a result is what the room's definition promises.

    Args:
        trusted: the enclave that answered.
        log: the checkpoint that the answer came with, verified.

    Raises:
        ReceiptInvalid: naming what does not hold.
    """
    # The enclave has signed it, for this result.
    body = verify_receipt(result.receipt, trusted.keys.signing, result=result.manifest.digest())
    check_body(body, definition, room, node, trusted, log)
    return body


def check_body(
    body: ReceiptBody, definition: Definition, room: str, node: RunNode, trusted: Trusted, log: Checkpoint
) -> None:
    """Checks what a receipt of the enclave's vouches for. Arguments and errors as `check_receipt`."""
    # 1. It was computed in this room, by this very computation, in the image that was agreed to.
    image = definition.image(node.image)
    agreed = (room, node.id, node_digest(node).hex(), node.image, image.measurement if image else "")
    if (body.room, body.node, body.definition, body.image, body.image_measurement) != agreed:
        raise ReceiptInvalid("The receipt is about another computation than the one that was asked for.")
    # 2. By the enclave that has proven itself, and a worker as the room demands it.
    if body.enclave != trusted.attested or not any(_is(worker, body.worker) for worker in definition.workers):
        raise ReceiptInvalid("The result was computed by other software than the room's definition names.")
    # 3. From the inputs that the computation has; only an optional data node may have been empty.
    if [each.node for each in body.inputs] != list(sources(node)):
        raise ReceiptInvalid("The result was computed from other inputs than the room's definition names.")
    for each in body.inputs:
        source = definition.node(each.node)
        if each.manifest is None and not (isinstance(source, DataNode) and not source.required):
            raise ReceiptInvalid(f"The result was computed without {each.node!r}, which it needs.")
    # 4. The room's log tells of it.
    try:
        then = verify_checkpoint(body.checkpoint, trusted.keys.signing, room=room)
    except LogTampered as error:
        raise ReceiptInvalid(str(error)) from None
    if not body.log_index < then.size <= log.size or (then.size == log.size and then.root != log.root):
        raise ReceiptInvalid("The receipt speaks of another log than the one that the room has.")


def check_log(body: ReceiptBody, manifest: str, events: Iterable[Event]) -> None:
    """Checks that a room's log says that a result was released, and that what its receipt says was read was there.

    For who has read the log, which is an event of its own: whoever fetches a result holds the log's checkpoint alone.
    The enclave itself uses nothing but what its log tells of.

    Args:
        manifest: digest of the result's manifest.
        events: the log from its beginning, which is genuine if it can be read to its end.

    Raises:
        ReceiptInvalid: it says something else.
        LogTampered: as reading it does.
    """
    released = False
    read = {(each.node, each.manifest) for each in body.inputs}
    attached: set[tuple[str, str | None]] = set()
    made: set[tuple[str, str | None]] = set()
    for index, event in enumerate(events):
        match event.body:
            case RunFinished(run=run, node=node, manifest=digest) if index == body.log_index:
                released = (run, node, digest) == (body.run, body.node, manifest)
            case RunStarted(run=run, inputs=inputs) if index < body.log_index and run == body.run:
                attached = {(each.node, each.manifest) for each in inputs}
            case RunFinished(node=node, manifest=digest, withheld=withheld) if index < body.log_index:
                made |= read.intersection((node, each) for each in (digest, withheld) if each)
    if not released:
        raise ReceiptInvalid("The room's log does not say that this result was released.")
    if not read <= attached | made:
        raise ReceiptInvalid("The result was computed from other inputs than the room's log tells of.")


def fetch_result(transfers: Transfers, result: Result) -> IO[bytes]:
    """Downloads and decrypts a result whose receipt was checked.

    Returns:
        An open file, at its start; it disappears when it is closed.

    Raises:
        DecryptionFailed: what the hub has is not this result.
        ApiError: the hub refused, or stayed away.
    """
    file = cast(IO[bytes], _ResultFile(_IN_MEMORY, prefix="cloister-"))
    try:
        digest = hashlib.sha256()
        with transfers.stream(result.manifest, result.key, result.name) as pieces:
            for plaintext in pieces:
                digest.update(plaintext)
                file.write(plaintext)
        # The enclave had this from the worker: proof for the analyst alone that both mean the same plaintext.
        if not hmac.compare_digest(hmac.digest(result.key, digest.digest(), hashlib.sha256), result.commitment):
            raise DecryptionFailed("The result is not the one that the worker committed to. Run the computation again.")
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _is(reference: Reference, attested: Attested) -> bool:
    return (reference.evidence, reference.measurement) == (attested.evidence, attested.measurement)
