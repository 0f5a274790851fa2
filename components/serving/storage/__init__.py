"""The database of the service, SQLite or Postgres: changes, API keys and blocked queries."""
