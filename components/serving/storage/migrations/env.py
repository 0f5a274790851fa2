"""Run migrations over the connection that the service opened."""

from alembic import context

from components.serving.storage.db_schema import metadata

# The service's own connection, whose transaction holds the lock that other workers wait for
context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
