"""Search for the nearest vectors: memory-mapped Annoy segments with filters, and live updates beside them."""
