"""Measurements: each compares with the naive way in the same run and reports a ratio, never a promise of seconds."""
