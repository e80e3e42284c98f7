"""One after the other, where there may be no row to lock yet: the first of its kind, or one that others are replaced by.

All such locks of payments are taken here and have one key, `hashtextextended('payments.' || what, whose)`, where ``whose``
is the key of the person or lab that waits for himself. The trigger of `payments_loneact` takes the same.
"""

from __future__ import annotations

from django.db import connection


def take(what: str, whose: int = 0) -> None:
    """Wait for whoever does ``what`` for the same owner, until the end of the transaction; before any row is locked."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('payments.' || %s, %s))", [what, whose])
