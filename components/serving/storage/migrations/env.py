"""Run migrations over the connection that the service opened."""

from alembic import context

from components.serving.storage.db_schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
