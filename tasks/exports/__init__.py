"""The shapes in which finished data leaves: pure functions from plain values to JSON documents."""
