"""Run by Alembic. `decnet_intel.migrate` hands over an open connection and holds the lock."""

from __future__ import annotations

from alembic import context

from decnet_intel.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
