"""Everything that can be set about a hub, with its units and defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cloister.errors import CloisterError
from cloister.wire.silence import SILENCE_SECONDS

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


@dataclass(frozen=True, kw_only=True, slots=True)
class HubSettings:
    """The settings of one hub. Nothing here is secret unless a URL holds a password."""

    data: Path
    """The folder that holds the database, the identity keys and, by default, the blobs."""
    enclave_url: str | None = None
    """Where the enclave answers, e.g. ``http://127.0.0.1:7801``. Without it the relay answers 503."""
    enclave_cert: Path | None = None
    """The one certificate of the enclave's that is trusted (PEM), whatever name it bears."""
    enclave_secret_file: Path | None = None
    """A file with what the enclave's door asks of its hub."""
    issuer: str | None = None
    """The name that identity tokens carry as ``iss``. By default it is made from the first key, and kept."""
    database_url: str | None = None
    """An SQLAlchemy URL. By default SQLite, in a file in `data`."""
    blob_store_url: str | None = None
    """An obstore URL (``s3://``, ``gs://``, ``az://``, ``file://``). By default the folder ``data/blobs``."""

    public_url: str | None = None
    """Where browsers reach the hub, e.g. ``https://hub.example.org``: for links that it prints, for the provider's way
    back, and for cookies where a proxy in front does TLS."""
    trusted_proxies: str | None = None
    """Addresses of proxies in front, separated by commas: what they say in X-Forwarded-For is believed to be whose
    attempts to sign in are counted."""
    ui: Path | None = None
    """The folder of the web pages that are served. By default those that were installed along."""
    session_idle_seconds: int = 1800
    """After how long without a request a browser's session ends, in seconds."""
    session_seconds: int = 43_200
    """After how long a browser's session ends in any case, in seconds."""
    invitation_hours: int = 72
    """How long a link from `cloister user invite` is good for, in hours."""
    attempts_per_hour: float = 60.0
    """How often anybody may try to sign in to one account, as a rate over time."""
    attempts_burst: int = 10
    """How many of these may come at once."""
    address_attempts_per_hour: float = 600.0
    """How often one address may try to sign in, to whichever account, as a rate over time."""
    address_attempts_burst: int = 50
    """How many of these may come at once."""
    oidc_issuer: str | None = None
    """A provider of OpenID Connect at which users may sign in, e.g. ``https://login.example.org``. It needs
    `public_url`, and knows the hub by its ``/auth/provider/callback`` there."""
    oidc_name: str | None = None
    """What users call that provider."""
    oidc_client_id: str | None = None
    """What the provider calls this hub."""
    oidc_client_secret_file: Path | None = None
    """A file with the secret that the provider has given this hub."""
    oidc_email_domains: str | None = None
    """Domains of emails, separated by commas, that may sign in at the provider. By default any. Emails that the
    provider has not verified never may."""
    oidc_accounts: bool = False
    """Whether who signs in at the provider and has no account gets one."""
    direct_transfers: bool = True
    """Whether clients may send parts to the blob store and fetch them there directly, by signed URLs, where the store
    can do so."""
    direct_seconds: int = 900
    """How long a signed URL is good for, in seconds."""
    part_bytes: int = 8 * MIB + 16 * KIB
    """The largest part of a blob, in bytes: 8 MiB of plaintext and what encryption adds."""
    message_bytes: int = 32 * MIB
    """The largest sealed request that is relayed, in bytes."""
    json_bytes: int = 1 * MIB
    """The largest body of every other request, in bytes."""
    idle_seconds: float = 60.0
    """How long a request's body may stall, all lines before it take, and an answer wait for its reader, before the
    request is given up."""
    silence_seconds: float = SILENCE_SECONDS
    """After how long a client's or worker's machine that acknowledges nothing, or an enclave that gives no sign of
    life, is taken for gone. Three times the enclave's `heartbeat_seconds` at least."""
    slowest_bytes: int = 1 * KIB
    """Bytes a second that a request body has to come at, over all, once `idle_seconds` are over, and that an answer has
    to be taken at."""
    relay_slots: int = 64
    """Relayed requests that one principal may have open at once; waiting ones count."""
    messages_per_second: float = 100.0
    """Requests that one account may have relayed, as a rate over time. Workers are not bound by it."""
    messages_burst: int = 3_000
    """How many of these may come at once."""
    evidence_per_second: float = 5.0
    """How often one principal may ask for the enclave's evidence, as a rate over time."""
    evidence_burst: int = 300
    """How many of these may come at once."""
    transfer_slots: int = 32
    """Parts that one principal may be sending or fetching at once."""
    stored_bytes: int = 1024 * GIB
    """What one principal may keep on the shelf, in bytes. Each part counts for 64 KiB at least."""
    blobs_per_account: int = 100_000
    """Blobs that one account may have at once, unfinished ones among them. Workers are not bound by it."""
    rooms_per_account: int = 10_000
    """Rooms that one account may enter in the directory."""
    rooms_per_hour: float = 500.0
    """How often one account may enter a room, or change whom one invites, as a rate over time."""
    rooms_burst: int = 500
    """How many of these may come at once."""
    participants_per_room: int = 1_000
    """Emails that one room may invite."""
    invitations_per_account: int = 100_000
    """Emails that all rooms of one account may invite, each room's counted."""
    tokens_per_account: int = 200
    """API tokens that one account may have at once. The command line is not bound by it."""
    revocation_seconds: float = 5.0
    """How soon open requests end whose token was revoked or account disabled. New ones are refused at once."""
    removed_days: int = 30
    """Days after which the blobs of a removed account are thrown away."""
    abandoned_days: int = 7
    """Days without a new part after which an unfinished upload is thrown away."""
    unreferred_days: int = 7
    """Days after which a blob is deleted that no room and no vault has the key to."""

    @property
    def sqlite_file(self) -> Path:
        """Where the database lies unless `database_url` says otherwise."""
        return self.data / "hub.sqlite3"

    @property
    def blob_folder(self) -> Path:
        """Where the blobs lie unless `blob_store_url` says otherwise."""
        return self.data / "blobs"

    @property
    def identity_folder(self) -> Path:
        """The Ed25519 keys that sign identity tokens (PKCS #8, PEM, mode 0600), a file each."""
        return self.data / "identity"

    @property
    def issuer_file(self) -> Path:
        """The name that goes with the identity keys, whichever signs."""
        return self.data / "hub-issuer.txt"

    def prepare_folder(self) -> None:
        """Make the data folder and the database's file, closed to other users, if they aren't there.

        Raises `CloisterError` where that can't be done.
        """
        try:
            self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.database_url is None:
                self.sqlite_file.touch(mode=0o600)
        except OSError as error:
            raise CloisterError(
                f"The hub can't use the folder {self.data}: {error.strerror}. Name one that this user may write to."
            ) from error
