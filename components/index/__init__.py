"""Nearest vectors fast: memory-mapped Annoy segments, and exact answers under any filter."""
