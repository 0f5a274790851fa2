"""Alembic's environment: how the service's database came to be what it is."""
