"""The recommender: ELSA with a sparse part, factors of cold-start items, and their metrics."""
