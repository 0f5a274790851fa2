"""The published bundle: built, verified, loaded, evaluated and searched."""
