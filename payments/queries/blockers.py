"""Everything that stands between an expert and money for work he did, with what he can do about each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Sum
from django.utils.translation import gettext as _

from core.durations import in_words
from core.money import Money
from core.problems import Remedy
from payments import payout_reasons
from payments.models import Dispute, MilestoneAward, Overage, Payout, PayRun, PayRunLine, TimeEntry, Timesheet
from payments.queries.next_payout import NextPayout, currencies_of, next_payout

SHOWN = 20
"""How many of one kind are listed: the first ones matter."""


@dataclass(frozen=True, slots=True)
class Blocker:
    """Why some money does not come yet. ``until`` is when the clock decides by itself, in the expert's favour."""

    code: str
    text: str
    subject: str = ""
    currency: str = ""
    until: dt.datetime | None = None
    remedy: Remedy | None = None


def next_payouts(*, expert_id: int, now: dt.datetime) -> list[NextPayout]:
    """The next payday of every currency the expert is owed in, the earliest first."""
    found = [
        next_payout(expert_id=expert_id, currency=currency, now=now) for currency in currencies_of(expert_id=expert_id)
    ]
    return sorted(found, key=lambda payout: (payout.date.pays_on, payout.amount.currency))


def blockers(*, expert_id: int, payouts: list[NextPayout]) -> list[Blocker]:
    """Payout obstacles first, then what waits for the expert, then what waits for others."""
    return [
        *_obstacles(payouts),
        *_held(expert_id),
        *_on_hold(expert_id),
        *_unconfirmed(expert_id),
        *_to_answer(expert_id),
        *_undecided(expert_id),
        *_awaiting(expert_id),
        *_unfunded(expert_id),
    ]


def _obstacles(payouts: list[NextPayout]) -> Iterator[Blocker]:
    for payout in payouts:
        if payout.obstacle is not None:
            yield Blocker(
                code=payout.obstacle.code,
                text=payout.obstacle.text,
                currency=payout.amount.currency,
                remedy=payout.obstacle.remedy,
            )


def _held(expert_id: int) -> Iterator[Blocker]:
    lines = PayRunLine.objects.filter(expert=expert_id, run__status=PayRun.Status.REVIEW).exclude(held_reason="")
    for line in lines.select_related("run").order_by("pk")[:SHOWN]:
        yield Blocker(
            code="held",
            text=_("Finance holds it back: %(reason)s") % {"reason": line.held_reason},
            subject=line.hold_id,
            currency=line.run.currency,
            remedy=Remedy(_("Contest it with an appeal."), "/api/v1/expert/appeals"),
        )


def _on_hold(expert_id: int) -> Iterator[Blocker]:
    """Payouts that were released and wait for a person."""
    waiting = Payout.objects.filter(expert=expert_id, status=Payout.Status.ON_HOLD)
    for payout in waiting.order_by("pk")[:SHOWN]:
        why = {
            "amount": Money(payout.amount_minor, payout.currency),
            "reason": payout_reasons.text_of(payout.reason_code),
        }
        yield Blocker(
            code="payout_on_hold",
            text=_("Your payout of %(amount)s waits: %(reason)s") % why,
            subject=payout.public_id,
            currency=payout.currency,
            remedy=payout_reasons.remedy_of(payout.reason_code),
        )


def _unconfirmed(expert_id: int) -> Iterator[Blocker]:
    entries = TimeEntry.objects.filter(expert=expert_id, status=TimeEntry.Status.STOPPED, unconfirmed_seconds__gt=0)
    for entry in entries.order_by("pk")[:SHOWN]:
        yield Blocker(
            code="unconfirmed_time",
            text=_("%(time)s after the last sign of life of a timer are unconfirmed.")
            % {"time": in_words(entry.unconfirmed_seconds)},
            subject=entry.public_id,
            remedy=Remedy(
                _("Confirm them with a reason before the week is submitted."),
                f"/api/v1/expert/time-entries/{entry.public_id}/confirm",
            ),
        )


def _to_answer(expert_id: int) -> Iterator[Blocker]:
    for dispute in Dispute.objects.filter(expert=expert_id).undecided()[:SHOWN]:
        href = f"/api/v1/expert/disputes/{dispute.public_id}/answer"
        answered = dispute.status == Dispute.Status.ANSWERED
        yield Blocker(
            code="disputed",
            text=_("The lab disputes an entry: %(reason)s") % {"reason": dispute.reason},
            subject=dispute.public_id,
            until=dispute.decide_by,
            remedy=None if answered else Remedy(_("Tell your side of it."), href),
        )


def _undecided(expert_id: int) -> Iterator[Blocker]:
    for overage in Overage.objects.filter(expert=expert_id).undecided()[:SHOWN]:
        yield Blocker(
            code="over_cap",
            text=_("%(time)s over the %(cap)s wait for the lab's decision.")
            % {"time": in_words(overage.seconds), "cap": overage.get_cap_display()},
            subject=overage.public_id,
            until=overage.decide_by,
        )


def _awaiting(expert_id: int) -> Iterator[Blocker]:
    sheets = Timesheet.objects.filter(expert=expert_id, status__in=("open", "submitted")).with_time()
    for sheet in sheets.annotate(billable=Sum("entries__seconds")).filter(billable__gt=0).order_by("pk")[:SHOWN]:
        if sheet.is_open:
            yield Blocker(
                code="week_not_submitted",
                text=_("The week %(week)s is not submitted yet.") % {"week": sheet.iso_week},
                subject=sheet.public_id,
                until=sheet.submit_by,
                remedy=Remedy(_("Submit it."), f"/api/v1/expert/timesheets/{sheet.public_id}/submit"),
            )
        else:
            yield Blocker(
                code="week_in_review",
                text=_("The lab has not approved the week %(week)s yet.") % {"week": sheet.iso_week},
                subject=sheet.public_id,
                until=sheet.approve_by,
            )


def _unfunded(expert_id: int) -> Iterator[Blocker]:
    waiting = MilestoneAward.objects.filter(expert=expert_id, status=MilestoneAward.Status.WAITING)
    for award in waiting.select_related("milestone").order_by("pk")[:SHOWN]:
        yield Blocker(
            code="milestone_unfunded",
            text=_("A milestone that you reached is paid as soon as the lab's balance covers it: %(title)s")
            % {"title": award.milestone.title},
            subject=award.public_id,
            currency=award.milestone.currency,
        )
