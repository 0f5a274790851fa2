"""Lexical search: the text of an item, its words, BM25 and spelling correction."""
