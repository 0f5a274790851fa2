"""Which queries are never answered: banned sentences, benign look-alikes, and a calibrated threshold."""
