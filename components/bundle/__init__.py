"""The one published artifact: assembled, verified, loaded, and asked."""
