"""The database of the service: changes, keys, blocked queries; SQLite or Postgres."""
