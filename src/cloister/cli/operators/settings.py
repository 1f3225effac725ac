"""All settings of all parts, each declared once: as a line of the file, a variable of the environment, and an option.

What commands offer as options, what a file may hold, and `deploy/cloister.toml` all come from here. The settings of the
hub and the enclave that are no options of their own come from their settings classes, with the docstrings there.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import click

from cloister.cli.operators.ceilings import ROOM
from cloister.cli.setting import FILE, FOLDER, PORT, SECONDS, Section, Setting, fields_of
from cloister.enclave.settings import EnclaveSettings
from cloister.hub.settings import HubSettings
from cloister.wire.silence import HEARTBEAT_SECONDS, SILENCE_SECONDS
from cloister.worker.sandbox.pool import DEFAULT_IMPORTS

LOG = (
    Setting(
        section="log",
        name="format",
        option="log-format",
        kind=click.Choice(["text", "json"]),
        default="text",
        help="How lines of the log are written: for people, or one JSON object each.",
    ),
    Setting(
        section="log",
        name="level",
        option="log-level",
        kind=click.Choice(["debug", "info", "warning", "error"]),
        default="info",
        help="What is logged: that and everything graver.",
    ),
)


def _metrics(section: Section, example: str) -> Setting:
    return Setting(
        section=section,
        name="metrics",
        kind=click.STRING,
        example=example,
        help="HOST:PORT to serve metrics on, for Prometheus (/metrics); for workers also /readyz. Off unless set.",
    )


HUB_DATA = Setting(
    section="hub",
    name="data",
    kind=FOLDER,
    required=True,
    example="/var/lib/cloister/hub",
    help="Folder that keeps accounts and ciphertext; made if missing.",
)
HUB_SECRET = "A file with at least 32 characters that hub and enclave share, so that nobody else can use the enclave."  # noqa: S105
DATABASE_URL_FILE = Setting(
    section="hub",
    name="database_url_file",
    kind=FILE,
    shown=False,
    example="/etc/cloister/database-url",
    help="A file with the database's URL, where that holds a password.",
)
DOOR = (
    Setting(section="hub", name="host", kind=click.STRING, default="127.0.0.1", help="Address to listen on."),
    Setting(section="hub", name="port", kind=PORT, default=8642, help="Port to listen on; 0 takes a free one."),
    Setting(
        section="hub",
        name="tls_cert",
        kind=FILE,
        example="/etc/cloister/hub.pem",
        help="Serve HTTPS with this certificate chain (PEM).",
    ),
    Setting(
        section="hub",
        name="tls_key",
        kind=FILE,
        example="/etc/cloister/hub.key",
        help="The private key of that certificate (PEM).",
    ),
    Setting(
        section="hub",
        name="insecure_http",
        kind=click.BOOL,
        default=False,
        help="Allow plain HTTP on an address that other machines reach.",
    ),
)
"""Where and how the hub is reached."""
HUB_GRACE = Setting(
    section="hub",
    name="grace",
    kind=SECONDS,
    default=10.0,
    help="Seconds that requests under way may take to end when it is stopped.",
)
_HUB = (
    HUB_DATA,
    Setting(
        section="hub",
        name="enclave_url",
        kind=click.STRING,
        required=True,
        example="https://10.0.0.2:7801",
        help="Where the enclave answers, e.g. https://10.0.0.2:7801.",
    ),
    Setting(
        section="hub",
        name="enclave_cert",
        kind=FILE,
        example="/etc/cloister/enclave.pem",
        help="Trust this certificate of the enclave's, whatever name it bears, and no other.",
    ),
    Setting(
        section="hub",
        name="enclave_secret_file",
        kind=FILE,
        example="/etc/cloister/hub-enclave.secret",
        help=HUB_SECRET,
    ),
    *DOOR,
    HUB_GRACE,
    _metrics("hub", "127.0.0.1:9642"),
    DATABASE_URL_FILE,
)
_ENCLAVE = (
    Setting(
        section="enclave",
        name="data",
        kind=FOLDER,
        required=True,
        example="/var/lib/cloister/enclave",
        help="Folder that keeps its sealed rooms and keys; made if missing.",
    ),
    Setting(
        section="enclave",
        name="host",
        kind=click.STRING,
        default="127.0.0.1",
        help="Address to listen on, for the hub alone.",
    ),
    Setting(section="enclave", name="port", kind=PORT, default=7801, help="Port to listen on; 0 takes a free one."),
    Setting(
        section="enclave",
        name="tls_cert",
        kind=FILE,
        example="/etc/cloister/enclave.pem",
        help="Serve HTTPS with this certificate (PEM), which the hub is given too.",
    ),
    Setting(
        section="enclave",
        name="tls_key",
        kind=FILE,
        example="/etc/cloister/enclave.key",
        help="The private key of that certificate (PEM).",
    ),
    Setting(
        section="enclave",
        name="insecure_http",
        kind=click.BOOL,
        default=False,
        help="Allow plain HTTP on an address that other machines reach: on a private network.",
    ),
    Setting(
        section="enclave",
        name="hub_secret_file",
        kind=FILE,
        example="/etc/cloister/hub-enclave.secret",
        help=HUB_SECRET,
    ),
    Setting(
        section="enclave",
        name="grace",
        kind=SECONDS,
        default=20.0,
        help="Seconds that workers may take to end their tasks when it is stopped. It gives out no new ones then.",
    ),
    Setting(
        section="enclave",
        name="heartbeat_seconds",
        # Clients can't be told of another one.
        kind=click.FloatRange(0.1, HEARTBEAT_SECONDS),
        default=HEARTBEAT_SECONDS,
        shown=False,
        help="After so much silence in an answer a sign of life is sent.",
    ),
    _metrics("enclave", "127.0.0.1:9801"),
    Setting(
        section="enclave",
        name="store_file",
        kind=FILE,
        shown=False,
        example="/etc/cloister/store-url",
        help="A file with the URL of the sealed store, where that holds a password.",
    ),
)
WARM = Setting(
    section="worker",
    name="warm",
    kind=click.IntRange(0, 32),
    default=1,
    help="How many containers wait for their task in each worker, each with some 100 MiB.",
)
IMAGE = Setting(
    section="worker",
    name="image",
    kind=click.STRING,
    many=True,
    example=["python"],
    help="Offer this image alone, by name; repeat it for more. Otherwise all that are built here.",
)
WORKER_METRICS = _metrics("worker", "127.0.0.1:9700")
WORKER = (
    Setting(
        section="worker",
        name="hub",
        kind=click.STRING,
        required=True,
        example="https://hub.example.org",
        help="Address of the hub, e.g. https://hub.example.org.",
    ),
    Setting(
        section="worker",
        name="hub_cert",
        kind=FILE,
        example="/etc/cloister/hub.pem",
        help="Trust this certificate of the hub, whatever name it bears, and no other.",
    ),
    Setting(
        section="worker",
        name="token_file",
        kind=FILE,
        example="/etc/cloister/worker.token",
        help="A file with the token from `cloister worker-token add`; otherwise CLOISTER_WORKER_TOKEN holds it.",
    ),
    IMAGE,
    Setting(
        section="worker",
        name="single_room",
        kind=click.BOOL,
        default=False,
        help="Stay with the room of the first task until started anew.",
    ),
    WARM,
    Setting(
        section="worker",
        name="warm_import",
        kind=click.STRING,
        many=True,
        default=DEFAULT_IMPORTS,
        help="A module that waiting containers have imported; repeat it for more.",
    ),
    Setting(
        section="worker",
        name="grace",
        kind=SECONDS,
        default=20.0,
        help="Seconds that a task may take to end when the worker is stopped. Then it is handed back.",
    ),
    Setting(
        section="worker",
        name="silence_seconds",
        kind=SECONDS,
        default=SILENCE_SECONDS,
        shown=False,
        help="After how long a hub that says nothing is taken for gone, and the task with it. Three times the "
        "enclave's heartbeat_seconds at least.",
    ),
    WORKER_METRICS,
    *ROOM,
)
UP_DATA = Setting(
    section="up",
    name="data",
    kind=FOLDER,
    required=True,
    example="/var/lib/cloister",
    help="Folder that keeps everything; made if missing.",
)
_UP = (
    UP_DATA,
    Setting(
        section="up",
        name="workers",
        kind=click.IntRange(1, 32),
        example=2,
        help="How many computations run at a time.  [default: one a core]",
    ),
    Setting(
        section="up",
        name="grace",
        kind=SECONDS,
        default=0.0,
        help="Seconds that running computations may take to end when it is stopped.",
    ),
)


@functools.cache
def hub_settings() -> tuple[Setting, ...]:
    """Of ``[hub]``."""
    return (*_HUB, *fields_of("hub", HubSettings, _HUB))


@functools.cache
def enclave_settings() -> tuple[Setting, ...]:
    """Of ``[enclave]``."""
    return (*_ENCLAVE, *fields_of("enclave", EnclaveSettings, _ENCLAVE))


def sections() -> Mapping[str, Sequence[Setting]]:
    """All that a file may hold."""
    return {"up": _UP, "hub": hub_settings(), "enclave": enclave_settings(), "worker": WORKER, "log": LOG}


def up_settings() -> tuple[Setting, ...]:
    """What `cloister up` takes, of its own and of its parts'."""
    data, workers, grace = _UP
    inner = dataclasses.replace(WORKER_METRICS, option="worker-metrics", shown=False)
    # Accounts are made where its hub looks for them.
    database = [each for each in hub_settings() if each.name in ("database_url", "database_url_file")]
    return (data, *DOOR, workers, WARM, IMAGE, *ROOM, grace, inner, *database)
