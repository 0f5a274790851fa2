"""Data and weights that come from pinned registry packages, and the way to find a model by name."""
