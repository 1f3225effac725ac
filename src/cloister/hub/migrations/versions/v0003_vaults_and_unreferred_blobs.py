"""Which vault is whose; since when nothing refers to a blob."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    op.add_column("blobs", sa.Column("unreferred_since", sa.DateTime, nullable=True))
    op.create_table(
        "vaults",
        sa.Column("account_id", sa.String(32), nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_vaults"),
        sa.ForeignKeyConstraint(["account_id"], ["principals.id"], name="fk_vaults_account_id", ondelete="CASCADE"),
    )


def downgrade() -> None:
    op.drop_table("vaults")
    op.drop_column("blobs", "unreferred_since")
