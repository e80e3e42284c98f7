"""Working time: what counts, until when it may be handed in or contested, and what terms may change."""

from __future__ import annotations

from config.settings.mode import env

TIMER_GRACE_SECONDS: int = env.int("TIMER_GRACE_SECONDS", 600)  # how long a running timer may be silent
SUBMISSION_WINDOW_HOURS: int = env.int("SUBMISSION_WINDOW_HOURS", 48)  # the expert's own review after a week's end
HANDLING_TOLERANCE_BP: int = env.int("HANDLING_TOLERANCE_BP", 10_000)  # how much of an item's cap counts, in 1/10,000
DISPUTE_AFTER_APPROVAL_DAYS: int = env.int("DISPUTE_AFTER_APPROVAL_DAYS", 30)  # so long a lab may contest them
# Days between the proposal of terms that take something from an expert and their effect; a longer notice of the offer wins.
AMENDMENT_NOTICE_DAYS: int = env.int("AMENDMENT_NOTICE_DAYS", 14)
# Rows beside the table of minimum wages (payments/wage_floors.py), as "DE:USD:2026-01-01:1500", minor units an hour.
WAGE_FLOORS: list[str] = env.list("WAGE_FLOORS", [])
TRUE_UPS_PAID_BY: str = env.str("TRUE_UPS_PAID_BY", "platform")  # or "lab": who pays what a week lacks to the floor
