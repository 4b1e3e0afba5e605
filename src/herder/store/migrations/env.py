"""Alembic's entry: runs the migrations on the connection that `store.opening.database.migrate` hands over."""

from alembic import context

# The tables themselves, which the metadata knows once they are defined.
import herder.store.rows.tables  # noqa: F401
from herder.store.rows.columns import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
