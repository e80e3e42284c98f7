"""One expert's hours change one at a time: caps and overlaps are judged on what is really there."""

from __future__ import annotations

from payments import turns


def take(expert_id: int) -> None:
    """Wait for this expert's hours, until the end of the transaction. Taken before any row of them is locked."""
    turns.take("hours", expert_id)
