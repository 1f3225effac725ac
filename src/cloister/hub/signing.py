"""The hub's identity keys over time: the next one, the current one, and those before, each for the rooms that pin it.

A room pins, when it is published, the keys that the hub shows then: the current one and the next. So a key is known to
rooms long before it signs, and rooms of before go on being served by the newest key that they have pinned. What a room
has pinned follows from when it was entered in the directory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from joserfc.jwk import OKPKey
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloister.errors import CloisterError, NotFoundError
from cloister.hub.database import Database
from cloister.hub.issuer import Issuer, jwk
from cloister.hub.schema import SigningKeyRow
from cloister.hub.settings import HubSettings
from cloister.kept import kept

T = TypeVar("T")

SETTLING = timedelta(hours=1)
"""Longest time between a client's look at the keys and its entry of the room that pins them."""


class State(StrEnum):
    """What a key is for."""

    NEXT = "next"
    """Shown, so that new rooms pin it; signs nothing yet."""
    CURRENT = "current"
    """Shown, and signs for new rooms."""
    EARLIER = "earlier"
    """Not shown any more; signs for rooms that have pinned nothing newer."""
    DESTROYED = "destroyed"
    """The private half is gone."""


@dataclass(frozen=True)
class SigningKey:
    """A key's public half and its history."""

    number: int
    kid: str
    """RFC 7638 thumbprint."""
    x: str
    """Its raw 32 bytes in base64url."""
    published_at: datetime
    signing_since: datetime | None = None
    destroyed_at: datetime | None = None
    superseded_at: datetime | None = None
    """When a later key began to sign: from then on this one was not shown to new rooms."""

    @property
    def state(self) -> State:
        if self.destroyed_at is not None:
            return State.DESTROYED
        if self.signing_since is None:
            return State.NEXT
        return State.CURRENT if self.superseded_at is None else State.EARLIER

    def shown_at(self, moment: datetime) -> bool:
        """Whether a client that looked at that moment was shown it."""
        ends = [each for each in (self.superseded_at, self.destroyed_at) if each is not None]
        return self.published_at <= moment and all(moment < end for end in ends)


def signer(keys: Sequence[SigningKey], entered_at: datetime | None) -> SigningKey | None:
    """The key that signs for a room: the newest that the room has pinned and that may sign.

    Args:
        keys: all keys, in the order of their numbers.
        entered_at: when the room was entered; None for one that isn't yet, or for no room: the current key.

    Returns:
        None where every key that the room has pinned was destroyed.
    """
    usable = [key for key in keys if key.state in (State.CURRENT, State.EARLIER)]
    if entered_at is None:
        return usable[-1]
    before = entered_at - SETTLING
    # 1. Whatever moment in between the client had looked at the keys, it has seen these.
    if surely := [key for key in usable if key.shown_at(entered_at) and key.shown_at(before)]:
        return surely[-1]
    # 2. Keys were changed in between. Clients look seconds before they enter a room, so most likely these.
    if likely := [key for key in usable if key.shown_at(entered_at)] or [key for key in usable if key.shown_at(before)]:
        return likely[0]
    return None


class SigningKeys:
    """The keys of one hub: public halves and history in its database, private halves in files.

    What the command line changes counts at once: nothing is kept in memory.
    """

    def __init__(self, database: Database, folder: Path, name: str) -> None:
        self._database = database
        self._folder = folder
        self.name = name
        """The issuer's name, whichever key signs."""

    def all(self) -> list[SigningKey]:
        """Every key that there ever was, the oldest first."""
        return self._database.read(_all)

    def shown(self, session: Session) -> list[dict[str, str]]:
        """The JWKS entries that new rooms pin: the current key first."""
        keys = _all(session)
        return [jwk(key.kid, key.x) for state in (State.CURRENT, State.NEXT) for key in keys if key.state is state]

    def issuer(self, session: Session, entered_at: datetime | None) -> Issuer | None:
        """Who signs for a room; see `signer`.

        Raises:
            CloisterError: the key's file can't be used.
        """
        key = signer(_all(session), entered_at)
        return None if key is None else Issuer(self._private(key.kid), self.name)

    def rotate(self, now: datetime) -> SigningKey:
        """The next key begins to sign, and another is published as the next one. Returns the one that signs now."""
        fresh = _generate(self._folder)

        def work(session: Session) -> SigningKey:
            rows = _rows(session)
            _advance(session, rows, fresh, now)
            return next(key for key in _all(session) if key.state is State.CURRENT)

        return self._write_with(fresh, work)

    def destroy(self, kid: str, now: datetime) -> list[SigningKey]:
        """Deletes a private key for good. Where it was the current or the next one, others follow at once.

        Returns:
            The keys as they are now.

        Raises:
            NotFoundError: there is no such key.
        """
        fresh = _generate(self._folder)

        def work(session: Session) -> list[SigningKey]:
            state = {key.kid: key.state for key in _all(session)}.get(kid)
            if state is None:
                raise NotFoundError("There is no such key. `cloister keys list` shows them.")
            rows = _rows(session)
            if state is not State.DESTROYED:
                next(row for row in rows if row.kid == kid).destroyed_at = now
            if state is State.CURRENT:
                _advance(session, rows, fresh, now)
            elif state is State.NEXT:
                session.add(_row(rows, fresh, now))
                session.flush()
            return _all(session)

        keys = self._write_with(fresh, work)
        # After the record: a key that is taken for destroyed signs nothing, even where its file is still there.
        (self._folder / f"{kid}.pem").unlink(missing_ok=True)
        return keys

    def _write_with(self, fresh: OKPKey, work: Callable[[Session], T]) -> T:
        """Runs a transaction that may take up a fresh key, whose file goes again where it has not."""
        kid = fresh.thumbprint()
        try:
            return self._database.write(work)
        finally:
            if not any(key.kid == kid for key in self.all()):
                (self._folder / f"{kid}.pem").unlink()

    def _private(self, kid: str) -> OKPKey:
        file = self._folder / f"{kid}.pem"
        try:
            return OKPKey.import_key(file.read_bytes())
        except (OSError, ValueError) as error:
            raise CloisterError(
                f"{file} is not an Ed25519 key that can be read. Restore it from a backup of the folder, or name the "
                "folder that the other hubs of this database have."
            ) from error

    def check(self) -> None:
        """Raises:
        CloisterError: a key that signs now, or will next, can't be read.
        """
        for key in self.all():
            if key.state in (State.CURRENT, State.NEXT):
                self._private(key.kid)


def open_signing_keys(settings: HubSettings, database: Database) -> SigningKeys:
    """The hub's keys and its name as an issuer; made at the first start.

    Rooms rely on the name, so it stays whatever key signs. Raises `CloisterError` if the settings want another name
    than the one that is kept, or if a key can't be read.
    """
    folder = settings.identity_folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = database.read(_all) or _first(database, folder, datetime.now(UTC))
    name = kept(settings.issuer_file, (settings.issuer or f"cloister-hub:{keys[0].kid}").encode()).decode()
    if settings.issuer is not None and settings.issuer != name:
        raise CloisterError(
            f"This hub's issuer name is {name!r}, and rooms rely on it; it can't become {settings.issuer!r}. "
            f"Leave the setting out, or delete {settings.issuer_file} if no room matters yet."
        )
    signing = SigningKeys(database, folder, name)
    signing.check()
    return signing


def _first(database: Database, folder: Path, now: datetime) -> list[SigningKey]:
    """Makes the first two keys, unless another process has meanwhile."""
    made = [_generate(folder), _generate(folder)]

    def work(session: Session) -> list[SigningKey]:
        if not _rows(session):
            session.add(_row([], made[0], now, signing_since=now))
            session.flush()
            session.add(_row(_rows(session), made[1], now))
            session.flush()
        return _all(session)

    keys = database.write(work)
    for key in made:
        if key.thumbprint() not in {each.kid for each in keys}:
            (folder / f"{key.thumbprint()}.pem").unlink()
    return keys


def _generate(folder: Path) -> OKPKey:
    """A fresh key, on disk already."""
    key = OKPKey.generate_key("Ed25519", private=True)
    kept(folder / f"{key.thumbprint()}.pem", key.as_pem(private=True))
    return key


def _advance(session: Session, rows: list[SigningKeyRow], fresh: OKPKey, now: datetime) -> None:
    """The next key signs from now on, and the fresh one is the next."""
    following = next(row for row in rows if row.signing_since is None and row.destroyed_at is None)
    following.signing_since = now
    session.add(_row(rows, fresh, now))
    session.flush()


def _row(
    rows: Sequence[SigningKeyRow], key: OKPKey, now: datetime, signing_since: datetime | None = None
) -> SigningKeyRow:
    # Two processes that do this at once come to the same number, and one of them tries again.
    number = rows[-1].number + 1 if rows else 1
    public = key.as_dict(private=False)
    return SigningKeyRow(
        number=number, kid=key.thumbprint(), x=str(public["x"]), published_at=now, signing_since=signing_since
    )


def _rows(session: Session) -> list[SigningKeyRow]:
    return list(session.scalars(select(SigningKeyRow).order_by(SigningKeyRow.number)))


def _all(session: Session) -> list[SigningKey]:
    rows = _rows(session)
    return [
        SigningKey(
            row.number,
            row.kid,
            row.x,
            row.published_at,
            row.signing_since,
            row.destroyed_at,
            min((later.signing_since for later in rows[place:] if later.signing_since), default=None),
        )
        for place, row in enumerate(rows, 1)
    ]
