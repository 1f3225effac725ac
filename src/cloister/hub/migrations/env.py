"""Runs the migrations on the connection that `cloister.hub.database` hands over."""

from __future__ import annotations

from alembic import context

from cloister.hub.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    # SQLite alters tables by copying them.
    render_as_batch=True,
    # All steps or none, also on SQLite, which can do so (Alembic assumes the old driver's behaviour).
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
