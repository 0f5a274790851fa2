"""Reads and checks items, interactions, queries, judgements and videos, and sets bad rows aside."""
