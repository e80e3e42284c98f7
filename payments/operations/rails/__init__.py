"""Payouts on their way: given to providers, followed, decided about when they stop."""
