"""REST of the floor ``tasks``."""
