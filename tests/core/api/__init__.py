"""The API edge, through HTTP."""
