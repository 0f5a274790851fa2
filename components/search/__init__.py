"""Search by words: the text of an item, tokens, BM25 and spelling."""
