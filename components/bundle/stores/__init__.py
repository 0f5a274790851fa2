"""What the bundle holds of items, users and films: memory-mapped, with the changes since it was built."""
