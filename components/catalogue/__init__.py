"""Items, interactions, queries, judgements and videos: read, checked, and the bad rows set aside."""
