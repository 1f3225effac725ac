"""Small parts count for more than they are; who doesn't want to see a room that invites them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision: str | None = "0006"

_LEAST_COUNTED = 64 * 1024

_principals = sa.table("principals", sa.column("id", sa.String), sa.column("stored_bytes", sa.BigInteger))
_blobs = sa.table("blobs", sa.column("id", sa.String), sa.column("owner_id", sa.String))
_parts = sa.table("parts", sa.column("blob_id", sa.String), sa.column("size", sa.Integer))
_uploads = sa.table(
    "uploads", sa.column("owner_id", sa.String), sa.column("size", sa.Integer), sa.column("settled", sa.Boolean)
)


def upgrade() -> None:
    op.add_column("invitations", sa.Column("left_at", sa.DateTime, nullable=True))
    _count_anew(_LEAST_COUNTED)


def downgrade() -> None:
    op.drop_column("invitations", "left_at")
    _count_anew(0)


def _count_anew(least: int) -> None:
    """What each principal keeps follows from their parts, and from those that they may send to the store."""

    def total(size: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
        each = sa.case((size < least, least), else_=size)
        return sa.func.coalesce(sa.func.sum(sa.cast(each, sa.BigInteger)), 0)

    kept = sa.select(total(_parts.c.size)).join_from(_parts, _blobs, _blobs.c.id == _parts.c.blob_id)
    kept = kept.where(_blobs.c.owner_id == _principals.c.id)
    coming = sa.select(total(_uploads.c.size)).where(
        _uploads.c.owner_id == _principals.c.id, _uploads.c.settled.is_(sa.false())
    )
    op.execute(sa.update(_principals).values(stored_bytes=kept.scalar_subquery() + coming.scalar_subquery()))
