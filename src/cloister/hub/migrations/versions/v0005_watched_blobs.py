"""When the enclave last said of a blob that nothing refers to it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision: str | None = "0004"


def upgrade() -> None:
    op.add_column("blobs", sa.Column("unreferred_at", sa.DateTime, nullable=True))


def downgrade() -> None:
    op.drop_column("blobs", "unreferred_at")
