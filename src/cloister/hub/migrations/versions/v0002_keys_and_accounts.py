"""Signing keys that follow each other; accounts that were disabled or removed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    op.add_column("principals", sa.Column("disabled_at", sa.DateTime, nullable=True))
    op.add_column("principals", sa.Column("removed_at", sa.DateTime, nullable=True))
    op.create_table(
        "signing_keys",
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("kid", sa.String(64), nullable=False),
        sa.Column("x", sa.String(64), nullable=False),
        sa.Column("published_at", sa.DateTime, nullable=False),
        sa.Column("signing_since", sa.DateTime, nullable=True),
        sa.Column("destroyed_at", sa.DateTime, nullable=True),
        sa.PrimaryKeyConstraint("number", name="pk_signing_keys"),
        sa.UniqueConstraint("kid", name="uq_signing_keys_kid"),
    )


def downgrade() -> None:
    op.drop_table("signing_keys")
    op.drop_column("principals", "removed_at")
    op.drop_column("principals", "disabled_at")
