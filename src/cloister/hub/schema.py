"""The hub's tables.

Nothing in them is worth stealing: tokens and passwords are hashes, blobs are ciphertext, rooms are ids and emails.
A change here needs a migration beside it (``migrations/versions``); a test compares the two.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

ACCOUNT = "account"
WORKER = "worker"


class Moment(TypeDecorator[datetime]):
    """A point in time, always aware and in UTC in Python, on databases that keep no offset too."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    # Named constraints can be altered on every database.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class PrincipalRow(Base):
    """Who may ask for something: an account (``name`` is its email) or a worker."""

    __tablename__ = "principals"
    __table_args__ = (Index("uq_principals_kind_name", "kind", "name", unique=True),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(Moment)
    # As `shelf.counted` counts: a part for more than it is, where it is small.
    stored_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    disabled_at: Mapped[datetime | None] = mapped_column(Moment)
    removed_at: Mapped[datetime | None] = mapped_column(Moment)


class TokenRow(Base):
    """An API token, known by its SHA-256 only."""

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    principal_id: Mapped[str] = mapped_column(ForeignKey("principals.id", ondelete="CASCADE"), index=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    last_four: Mapped[str] = mapped_column(String(4))
    description: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(Moment)
    revoked_at: Mapped[datetime | None] = mapped_column(Moment)
    # To a few minutes.
    used_at: Mapped[datetime | None] = mapped_column(Moment)


class PasswordRow(Base):
    """An account's password, as argon2id has hashed it."""

    __tablename__ = "passwords"

    principal_id: Mapped[str] = mapped_column(ForeignKey("principals.id", ondelete="CASCADE"), primary_key=True)
    hash: Mapped[str] = mapped_column(String(255))
    changed_at: Mapped[datetime] = mapped_column(Moment)


class LinkRow(Base):
    """A link that sets an account's password, once; known by its SHA-256 only. The newest one alone counts."""

    __tablename__ = "links"

    principal_id: Mapped[str] = mapped_column(ForeignKey("principals.id", ondelete="CASCADE"), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime] = mapped_column(Moment)


class SubjectRow(Base):
    """Who an account is at the provider of identities. Emails may be given to somebody else there; subjects aren't."""

    __tablename__ = "subjects"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    principal_id: Mapped[str] = mapped_column(ForeignKey("principals.id", ondelete="CASCADE"), primary_key=True)
    issuer: Mapped[str] = mapped_column(String(255))
    subject: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(Moment)


class FlowRow(Base):
    """Somebody who was sent to the provider, and is to come back with the same browser."""

    __tablename__ = "flows"

    # Of what the browser's cookie holds.
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    state: Mapped[str] = mapped_column(String(64))
    nonce: Mapped[str] = mapped_column(String(64))
    verifier: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)


class SessionRow(Base):
    """A browser in which an account is signed in; its cookie is known by its SHA-256 only."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    principal_id: Mapped[str] = mapped_column(ForeignKey("principals.id", ondelete="CASCADE"), index=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    means: Mapped[str] = mapped_column(String(16))
    browser: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(Moment)
    # To a minute.
    used_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)


class BlobRow(Base):
    """A list of parts under an id that its uploader chose; immutable once complete."""

    __tablename__ = "blobs"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner_id: Mapped[str] = mapped_column(ForeignKey("principals.id", ondelete="CASCADE"), index=True)
    # The place of its objects. Made anew if the id is used again after a deletion, so that what a late
    # request of the former life writes or removes can't touch the new one.
    folder: Mapped[str] = mapped_column(String(32), unique=True)
    complete: Mapped[bool] = mapped_column(default=False)
    touched_at: Mapped[datetime] = mapped_column(Moment, index=True)
    # Since when, without a break, the enclave has said that it has no use for it.
    unreferred_since: Mapped[datetime | None] = mapped_column(Moment)
    # When it last said so: after days in which nobody has asked, the time begins anew.
    unreferred_at: Mapped[datetime | None] = mapped_column(Moment)


class PartRow(Base):
    """One part that has arrived whole. The row, not the object, is what makes it exist."""

    __tablename__ = "parts"

    blob_id: Mapped[str] = mapped_column(ForeignKey("blobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    size: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    object_key: Mapped[str] = mapped_column(String(128))


class UploadRow(Base):
    """A part that its uploader may send to the blob store directly, until the URL for it has expired."""

    __tablename__ = "uploads"

    ticket: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner_id: Mapped[str] = mapped_column(ForeignKey("principals.id", ondelete="CASCADE"), index=True)
    # No foreign key: it outlives the blob, so that what is sent after the blob's end is found and deleted.
    blob_id: Mapped[str] = mapped_column(String(64))
    folder: Mapped[str] = mapped_column(String(32))
    number: Mapped[int]
    size: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    object_key: Mapped[str] = mapped_column(String(128))
    settled: Mapped[bool] = mapped_column(default=False)
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)


class RoomRow(Base):
    """A room's entry in the directory."""

    __tablename__ = "rooms"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner_id: Mapped[str] = mapped_column(ForeignKey("principals.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(Moment)


class InvitationRow(Base):
    """An email that a room invites; it need not have an account yet."""

    __tablename__ = "invitations"

    room_id: Mapped[str] = mapped_column(ForeignKey("rooms.id", ondelete="CASCADE"), primary_key=True)
    email: Mapped[str] = mapped_column(String(255), primary_key=True, index=True)
    # When its invited user has said that they don't want to see the room. The row stays: it says that they may ask for
    # an identity that the room knows.
    left_at: Mapped[datetime | None] = mapped_column(Moment)


class SigningKeyRow(Base):
    """A key that signs identity tokens, or did. Its private half is a file beside the database, named by ``kid``."""

    __tablename__ = "signing_keys"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kid: Mapped[str] = mapped_column(String(64), unique=True)
    x: Mapped[str] = mapped_column(String(64))
    published_at: Mapped[datetime] = mapped_column(Moment)
    signing_since: Mapped[datetime | None] = mapped_column(Moment)
    destroyed_at: Mapped[datetime | None] = mapped_column(Moment)


class VaultRow(Base):
    """Which vault in the enclave is the account's."""

    __tablename__ = "vaults"

    account_id: Mapped[str] = mapped_column(ForeignKey("principals.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[str] = mapped_column(String(64))
    definition: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Moment)
