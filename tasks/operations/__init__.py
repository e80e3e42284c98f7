"""Verbs of the floor ``tasks``."""
