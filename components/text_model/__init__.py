"""The text model: SBERT finetuned to 512 dimensions, item vectors, and how well they answer queries."""
