"""Memory-mapped stores of items, user histories and films, with the changes since the bundle was built."""
