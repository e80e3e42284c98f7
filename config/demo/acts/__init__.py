"""The acts of the story, in order."""
