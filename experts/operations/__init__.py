"""Verbs of the experts' floor, in noun modules."""
