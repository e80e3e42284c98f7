"""One expert's hours change one at a time: caps and overlaps are judged on what is really there."""

from __future__ import annotations

from django.db import connection


def take(expert_id: int) -> None:
    """Wait for this expert's hours, until the end of the transaction. Taken before any row of them is locked."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('payments.hours', %s))", [expert_id])
