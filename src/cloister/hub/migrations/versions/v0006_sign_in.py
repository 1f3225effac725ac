"""Signing in: passwords, links that set one, identities at a provider, sessions; when a token was last used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision: str | None = "0005"


def _principal(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["principal_id"], ["principals.id"], name=f"fk_{table}_principal_id", ondelete="CASCADE"
    )


def upgrade() -> None:
    op.add_column("tokens", sa.Column("used_at", sa.DateTime, nullable=True))
    op.create_table(
        "passwords",
        sa.Column("principal_id", sa.String(32), nullable=False),
        sa.Column("hash", sa.String(255), nullable=False),
        sa.Column("changed_at", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("principal_id", name="pk_passwords"),
        _principal("passwords"),
    )
    op.create_table(
        "links",
        sa.Column("principal_id", sa.String(32), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("principal_id", name="pk_links"),
        sa.UniqueConstraint("sha256", name="uq_links_sha256"),
        _principal("links"),
    )
    op.create_table(
        "subjects",
        sa.Column("principal_id", sa.String(32), nullable=False),
        sa.Column("issuer", sa.String(255), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("principal_id", name="pk_subjects"),
        sa.UniqueConstraint("issuer", "subject", name="uq_subjects_issuer_subject"),
        _principal("subjects"),
    )
    op.create_table(
        "flows",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("state", sa.String(64), nullable=False),
        sa.Column("nonce", sa.String(64), nullable=False),
        sa.Column("verifier", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_flows"),
    )
    op.create_index("ix_flows_expires_at", "flows", ["expires_at"])
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("principal_id", sa.String(32), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("means", sa.String(16), nullable=False),
        sa.Column("browser", sa.String(200), nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("used_at", sa.DateTime, nullable=False),
        sa.Column("expires_at", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.UniqueConstraint("sha256", name="uq_sessions_sha256"),
        _principal("sessions"),
    )
    op.create_index("ix_sessions_principal_id", "sessions", ["principal_id"])
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])


def downgrade() -> None:
    for table in ("sessions", "flows", "subjects", "links", "passwords"):
        op.drop_table(table)
    op.drop_column("tokens", "used_at")
