"""The HTTP API and the page, from one published bundle."""
