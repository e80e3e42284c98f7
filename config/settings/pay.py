"""When experts are paid, what waits, what a second person has to approve, and the referral programme."""

from __future__ import annotations

from typing import Any, cast

from config.settings.mode import env


def _schedule(text: str) -> tuple[int, ...]:
    """`1:12:2` is Tuesday 12:00 UTC, paid two days later; `payments.checks` holds the numbers to their ranges."""
    if not all(part.isdecimal() for part in text.split(":")):
        raise ValueError(f"PAY_SCHEDULES: expected weekday:hour:days, such as EUR=1:12:2, not {text}.")
    return tuple(int(part) for part in text.split(":"))


# --- The calendar of paydays ----------------------------------------------------------------------------------------
# Weekly cutoff by currency: weekday (0 is Monday), hour (UTC), days to the payday; "*" stands for all others.
PAY_SCHEDULES: dict[str, tuple[int, ...]] = {"*": (0, 0, 2)} | env.dict("PAY_SCHEDULES", {}, subcast_values=_schedule)
# Paydays move on over the closing days of a currency's payment system (`payments.bank_holidays`) and over days added here.
PAY_CLOSED: dict[str, str] = env.dict("PAY_CLOSED", default={"EUR": "target", "USD": "fedwire"})
PAY_CLOSED_DAYS: list[str] = env.list("PAY_CLOSED_DAYS", default=[])  # ISO dates, for every currency
# Banking days from the payday until money is expected on accounts, by currency; "*" stands for all others.
PAY_ARRIVAL_DAYS: dict[str, int] = {"*": 2} | env.dict("PAY_ARRIVAL_DAYS", {"EUR": 1}, subcast_values=int)

# --- Pay runs and payouts -------------------------------------------------------------------------------------------
# The least that is sent, by currency in minor units; of a currency that is not named, one.
PAYOUT_MINIMUM_MINOR: dict[str, int] = env.dict("PAYOUT_MINIMUM_MINOR", {"USD": 100, "EUR": 100}, subcast_values=int)
PAYOUT_METHOD_HOLD_HOURS: int = env.int("PAYOUT_METHOD_HOLD_HOURS", 72)  # a new method waits: accounts are taken over
# Who signs a run is shown weeks longer than this, or twice as long as the expert's median of so many weeks before.
PAY_RUN_LONG_WEEK_HOURS: int = env.int("PAY_RUN_LONG_WEEK_HOURS", 50)
PAY_RUN_USUAL_WEEKS: int = env.int("PAY_RUN_USUAL_WEEKS", 13)
PAYOUT_LEASE_SECONDS: int = env.int("PAYOUT_LEASE_SECONDS", 60)  # after that, whoever was sending is taken for dead
PAYOUT_STUCK_HOURS: int = env.int("PAYOUT_STUCK_HOURS", 24 * 7)  # an attempt open for longer raises the alarm
PAYOUT_UNKNOWN_HOURS: int = env.int("PAYOUT_UNKNOWN_HOURS", 2)  # and so does one whose outcome is unknown for longer

# --- Pay beside the hours -------------------------------------------------------------------------------------------
# Above so many minor units of a currency a second person approves; of one that is not named, above what the dearest hour
# costs in it (`marketplace.rates.HARD_CAPS`: about 1,000 dollars in whatever unit the currency has).
ADJUSTMENT_FOUR_EYES_MINOR: dict[str, int] = env.dict("ADJUSTMENT_FOUR_EYES_MINOR", {}, subcast_values=int)
# Standing instructions of experts exchange within so many minutes before the cutoff of the currency that is bought.
EXCHANGE_LEAD_MINUTES: int = env.int("EXCHANGE_LEAD_MINUTES", 60)
# What one person does alone to the same person or lab is added up over so many days; 0 judges each act by itself.
FOUR_EYES_WINDOW_DAYS: int = env.int("FOUR_EYES_WINDOW_DAYS", 7)
# A quote that pays further than this from its pair's last one that two people decided takes a second person.
FX_QUOTE_ALONE_BP: int = env.int("FX_QUOTE_ALONE_BP", 500)
PROPOSAL_EXPIRES_DAYS: int = env.int("PROPOSAL_EXPIRES_DAYS", 14)  # what nobody approved until then lapses
# The referral programme, by the day from which new invitations are made under it; an invitation keeps its terms.
# An empty list takes no new ones. Seconds of approved hours, days, minor units, most open or paid at once.
_PROGRAMME: list[dict[str, Any]] = [
    {
        "from": "2026-01-01",
        "version": "2026-01",
        "bonus_minor": 25_000,
        "currency": "USD",
        "threshold_seconds": 20 * 3600,
        "join_days": 30,
        "reach_days": 180,
        "cap": 20,
    }
]
REFERRAL_PROGRAMME: list[dict[str, Any]] = cast("list[dict[str, Any]]", env.json("REFERRAL_PROGRAMME", _PROGRAMME))
