"""A participant's program, at a machine of their own: it does what lines on standard input say.

    python -m tests.participant URL TOKEN EMAIL HOME SECONDS

A line is a JSON list, an action and what it needs. What comes back are JSON lists too: ``["progress", DONE, TOTAL]``
meanwhile, ``["pause"]`` before something is tried again, and at its end ``["answer", ...]`` or ``["error", ...]``.
SECONDS: of silence, after which the network or the hub is taken for gone.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from pathlib import Path

import msgspec

from cloister.analytics import AnalyticsDcrBuilder, PythonComputeNodeDefinition, RawDataNodeDefinition
from cloister.errors import CloisterError
from cloister.rooms.nodes import PythonNode
from cloister.sdk.client import Client
from cloister.sdk.device import open_device_key
from cloister.sdk.folder import StateFolder
from cloister.sdk.key import Key
from cloister.sdk.progress import Reporter, TransferProgress
from cloister.wire.hub import Hub
from cloister.wire.patience import Patience
from tests.installation import data_node, run

_SAYING = threading.Lock()


class InOther(PythonComputeNodeDefinition):
    """A computation in the image `other`."""

    @property
    def record(self) -> PythonNode:
        return msgspec.structs.replace(super().record, image="other")


class Participant:
    """What they can do; each action is a method."""

    def __init__(self, url: str, token: str, email: str, home: str, seconds: str) -> None:
        folder = StateFolder(Path(home))
        self._client = Client(
            email,
            Hub(url, token, timeout=float(seconds), silence=float(seconds)),
            folder=folder,
            device=open_device_key(folder, url, email, passphrase=None),
            allow_software=True,
            patience=Patience(sleep=_pause),
            reporter=Reporter(_tell),
        )

    def publish(self, scripts: dict[str, str]) -> str:
        """A room with these computations, each of the node `data`; those in the image `other` have names that end in
        it."""
        email = self._client.user_email
        builder = AnalyticsDcrBuilder(client=self._client).with_name("on hosts").with_owner(email)
        builder.add_node_definition(RawDataNodeDefinition(name="data", is_required=True))
        for name, script in scripts.items():
            kind = InOther if name.endswith("other") else PythonComputeNodeDefinition
            builder.add_node_definition(kind(name=name, script=script, dependencies=["data"]))
        builder.add_participant(email, data_owner_of=["data"], analyst_of=list(scripts))
        return self._client.publish_analytics_dcr(builder.build()).id

    def attach(self, room: str, file: str) -> None:
        """Uploads and attaches a file as the node `data`."""
        with Path(file).open("rb") as opened:
            data_node(self._client.retrieve_analytics_dcr(room), "data").upload_and_publish_dataset(opened, Key(), "d")

    def run(self, room: str, node: str) -> dict[str, str]:
        """Runs a computation; the SHA-256 of each file of its result."""
        with run(self._client.retrieve_analytics_dcr(room), node) as result:
            return {name: hashlib.sha256(result.read(name)).hexdigest() for name in result.namelist()}


def main(*words: str) -> None:
    """Until standard input ends."""
    participant = Participant(*words)
    for line in sys.stdin:
        action, *given = json.loads(line)
        try:
            _say("answer", getattr(participant, action)(*given))
        except CloisterError as error:
            _say("error", f"{type(error).__name__}: {error}")


def _tell(progress: TransferProgress) -> None:
    _say("progress", progress.done, progress.total)


def _pause(seconds: float) -> None:
    _say("pause")
    time.sleep(seconds)


def _say(*words: object) -> None:
    with _SAYING:
        print(json.dumps(words), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
