"""What every package shares, each once: stages, settings, errors, caches, metrics, linear algebra, tracking."""
