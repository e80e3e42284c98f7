"""Payouts that count as paid and are not on the account: what their expert, the desk and the clock do about one."""

from __future__ import annotations

import datetime as dt
from typing import Any

from core import outbox, tokens
from experts.operations import appeals
from experts.public import Expert
from payments.models import (
    JournalEntry,
    Payout,
    PayoutDecision,
    ProviderMovement,
)
from payments.operations.rails import payout_decisions, traces
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments.beside import Desk
from tests.payments.hours_world import Caller
from tests.payments.ledger_story import NOW, platform

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
DUE = dt.datetime(2026, 11, 19, tzinfo=dt.UTC)
"""The day after the second banking day from Monday 16: from then on it can be said that it did not arrive."""
UNTIL = NOW + dt.timedelta(days=90)
SAID = "My bank statement of the whole week has no such credit."


def paid_to_ada() -> Expert:
    """Ada was paid 200.00 USD, says the provider."""
    expert = story.new_expert(account="acct-ada")
    story.earn(expert, 20_000, lab=story.new_lab(funded=100_000))
    story.released_run()
    story.send_and_track()
    return expert


def caller_of(expert: Expert) -> Caller:
    return hours.Caller(tokens.mint_expert_token(user=expert.user, name="tests").secret)


def the_payout() -> Payout:
    return Payout.objects.order_by("pk")[0]


def contest(expert: Expert, *, at: dt.datetime = DUE, subject: str = "") -> Any:
    body = {"subject": subject or the_payout().public_id, "reason": SAID}
    return caller_of(expert)("POST", "/expert/appeals", body, at=at)


def silence(expert: Expert) -> None:
    """She contests it, and nobody decides in time."""
    assert contest(expert).status_code == 201
    appeals.resolve_overdue(now=DUE + 7 * DAY)
    outbox.drain(now=DUE + 7 * DAY)


def propose(act: str, by: Any, *, at: dt.datetime = DUE + 8 * DAY, fresh: bool = True) -> PayoutDecision:
    with platform():
        made = payout_decisions.propose(
            payout=the_payout(), act=act, reason="Trace TR-7 says so.", recently_authenticated=fresh, by=by, now=at
        )
    assert made is not None
    return made


def approve(decision: PayoutDecision, by: Any, *, at: dt.datetime = DUE + 8 * DAY) -> Payout:
    with platform():
        return payout_decisions.approve(decision=decision, recently_authenticated=True, by=by, now=at)


def answer(found: str, *, by: Any, at: dt.datetime = DUE, fresh: bool = True) -> PayoutDecision | None:
    return traces.answer(
        payout=the_payout(), found=found, reason="Trace TR-8.", recently_authenticated=fresh, by=by, now=at
    )


def given_back() -> list[str]:
    with platform():
        kinds = JournalEntry.objects.filter(kind__in=("payout_lost", "payout_returned")).order_by("pk")
        return list(kinds.values_list("kind", flat=True))


def standing() -> tuple[str, int]:
    return the_payout().status, ProviderMovement.objects.filter(state="paid").count()


def finance() -> Desk:
    return Desk("decide_payout")
