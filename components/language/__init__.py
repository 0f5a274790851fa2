"""Texts of items and queries as vectors and words: SBERT, BM25, and what a query says."""
