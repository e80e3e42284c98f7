"""How the desk writes days and instants, by language."""
