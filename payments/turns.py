"""One after the other where there may be no row to lock yet: the first of its kind, or one that others are replaced by."""

from __future__ import annotations

from django.db import connection


def take(what: str, whose: object) -> None:
    """Wait for whoever does ``what`` for the same owner, until the end of the transaction; before any row is locked."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"payments.{what}:{whose}"])
