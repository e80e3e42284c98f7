"""Time: measured, written, capped, handed in, approved, contested, and settled as money."""
