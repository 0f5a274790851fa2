"""Publish a bundle: validation against the champion, the gate, the registry, its lineage."""
