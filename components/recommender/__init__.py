"""Who will like what: ELSA, popularity beside it, and factors for items that nobody has met yet."""
