"""Tables of the floor."""
