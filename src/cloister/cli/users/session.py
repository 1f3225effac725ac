"""Who uses the command line: the login that this machine keeps, or the one that the environment holds."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import click
from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from msgspec import UNSET, UnsetType

from cloister.errors import CloisterError, VerificationError
from cloister.formats.encoding import Record, canonical, decode, pack
from cloister.sdk import settings
from cloister.sdk.bound_keys import KeyCheck
from cloister.sdk.client import Client
from cloister.sdk.connect import client_at
from cloister.sdk.folder import StateFolder
from cloister.wire.hub import Hub

_FILE = "login.json"
_SALT = 16
_COST = 2**15
"""Of scrypt, with blocks of 8: 32 MiB and about a tenth of a second for each guess."""
_AGAIN = "Log in again: cloister login EMAIL"


class _Protected(Record, frozen=True, kw_only=True):
    """A token that a passphrase opens."""

    salt: bytes
    sealed: bytes
    """Cobblestone-256 under scrypt's key; its context is the hub and the email."""


class _Stored(Record, frozen=True, kw_only=True):
    """The file. It has the token in the one form or the other."""

    version: Literal[1] = 1
    url: str
    email: str
    token: str | UnsetType = UNSET
    protected: _Protected | UnsetType = UNSET


@dataclass(frozen=True)
class Login:
    """A user at a hub."""

    url: str
    email: str
    token: str
    kept: bool
    """Whether this machine keeps it; else the environment holds the token."""

    def __repr__(self) -> str:
        return f"Login({self.email!r}, {self.url!r})"


@dataclass(frozen=True)
class Session:
    """What a command works with."""

    login: Login
    client: Client
    folder: StateFolder


def state() -> StateFolder:
    """This user's folder on this machine."""
    return StateFolder(settings.state_folder(os.environ))


def store(folder: StateFolder, url: str, email: str, token: str, passphrase: str | None) -> None:
    """Keeps a login, in place of the one before.

    Raises:
        OSError: the folder can't be written.
    """
    if passphrase:
        salt = os.urandom(_SALT)
        encryptor = Cobblestone256Encryptor(_key(passphrase, salt), _context(url, email))
        sealed = encryptor.update(token.encode()) + encryptor.finalize()
        stored = _Stored(url=url, email=email, protected=_Protected(salt=salt, sealed=sealed))
    else:
        stored = _Stored(url=url, email=email, token=token)
    folder.write(_FILE, canonical(stored))


def forget(folder: StateFolder) -> bool:
    """Deletes the login that is kept; whether there was one.

    Raises:
        OSError: it can't be deleted.
    """
    try:
        (folder.path / _FILE).unlink()
    except FileNotFoundError:
        return False
    return True


def login(folder: StateFolder, environ: Mapping[str, str]) -> Login:
    """Who is logged in. ``CLOISTER_TOKEN`` wins over what is kept; a token that is kept goes to its own hub alone.

    Raises:
        CloisterError: nobody is, or what is kept can't be used; the message says what to do.
    """
    token = environ.get("CLOISTER_TOKEN", "").strip()
    if token:
        url = token_hub(folder, environ) or settings.hub_url(environ)
        with closing(Hub(url, token)) as hub:
            return Login(url, hub.account(), token, kept=False)
    kept = _read(folder)
    named = settings.hub_url(environ) if _names_a_hub(environ) else None
    if kept is None:
        raise CloisterError(
            "You are not logged in. Run `cloister login EMAIL`, or set CLOISTER_TOKEN and CLOISTER_URL."
        )
    if named is not None and named != kept.url:
        raise CloisterError(
            f"You are logged in at {kept.url}, and the environment names {named}. Your token is not sent there: unset "
            f"CLOISTER_URL, or log in at that hub: cloister login --url {named} EMAIL"
        )
    return Login(kept.url, kept.email, _token(kept, environ.get("CLOISTER_DEVICE_PASSPHRASE")), kept=True)


def token_hub(folder: StateFolder, environ: Mapping[str, str]) -> str | None:
    """The hub that ``CLOISTER_TOKEN`` is for: the one in the environment, else that of the login that is kept. None:
    nothing says.

    Raises:
        CloisterError: what says so can't be used.
    """
    if _names_a_hub(environ):
        return settings.hub_url(environ)
    kept = _read(folder)
    return None if kept is None else kept.url


@contextmanager
def session(*, trust_software: bool, check_keys: KeyCheck | None = None) -> Iterator[Session]:
    """
    Args:
        check_keys: as `create_client`; without it nothing is printed, as commands that attach data show the keys
            themselves.
    """
    folder = state()
    try:
        who = login(folder, os.environ)
        with client_at(
            who.url,
            who.email,
            who.token,
            trust_software_enclave=True if trust_software else None,
            check_keys=check_keys or _seen_already,
        ) as client:
            yield Session(who, client, folder)
    except (CloisterError, BrokenPipeError):
        raise
    except OSError as error:
        raise CloisterError(f"{error.filename or 'A file'}: {error.strerror or error}.") from None


trust_option = click.option(
    "--trust-software",
    is_flag=True,
    help="Accept an enclave outside trusted hardware, as CLOISTER_TRUST_SOFTWARE_ENCLAVE=1 does.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def as_user(function: Callable[..., None]) -> Callable[..., None]:
    """Decorates a command of somebody who is logged in: it takes ``--trust-software``, and gets a `Session` first."""

    @trust_option
    @functools.wraps(function)
    def command(*given: Any, trust_software: bool, **named: Any) -> None:
        with session(trust_software=trust_software) as opened:
            function(opened, *given, **named)

    return command


def _seen_already(_room: str, _keys: dict[str, list[str]]) -> None:
    """The command has shown the keys, where there was a need."""


def _names_a_hub(environ: Mapping[str, str]) -> bool:
    return any(environ.get(name, "").strip() for name in ("CLOISTER_URL", "DECENTRIQ_HOST"))


def _read(folder: StateFolder) -> _Stored | None:
    try:
        stored = folder.read(_FILE)
    except OSError as error:
        raise CloisterError(f"{folder.path / _FILE} can't be read: {error.strerror}.") from None
    if stored is None:
        return None
    try:
        return decode(stored, _Stored, what="the login")
    except VerificationError:
        raise CloisterError(f"{folder.path / _FILE} is damaged. {_AGAIN}") from None


def _token(kept: _Stored, passphrase: str | None) -> str:
    if kept.protected is UNSET:
        if kept.token is UNSET:
            raise CloisterError(f"This machine's login has no token. {_AGAIN}")
        return kept.token
    if not passphrase:
        raise CloisterError(
            f"Your token is kept under a passphrase. Set CLOISTER_DEVICE_PASSPHRASE to it. Else: {_AGAIN}"
        )
    decryptor = Cobblestone256Decryptor(_key(passphrase, kept.protected.salt), _context(kept.url, kept.email))
    try:
        return (decryptor.update(kept.protected.sealed) + decryptor.finalize()).decode()
    except (InvalidTag, ValueError):
        raise CloisterError(f"CLOISTER_DEVICE_PASSPHRASE is not the passphrase of this login. Else: {_AGAIN}") from None


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=_COST, r=8, p=1).derive(passphrase.encode())


def _context(url: str, email: str) -> bytes:
    return pack("cloister/login/v1", url.encode(), email.encode())
