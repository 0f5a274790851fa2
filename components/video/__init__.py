"""Films as shots, scenes, features and one vector an item."""
