"""Whom we pay: methods, accounts at providers, tax papers."""
