"""Disputes about hours that were approved already: pay that is still here waits, pay that has left stays with the expert."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, ClassVar

from django.conf import settings
from django.utils.translation import gettext_lazy

from core.problems import Conflict
from payments.models import Dispute, Payout, TimeEntry
from payments.operations.hours import counted_hours
from payments.operations.pay import adjustments, beside_postings, postings
from payments.operations.pay.beside_postings import ExpertPay

GONE_BACK = (Payout.Status.FAILED, Payout.Status.RETURNED, Payout.Status.CANCELLED)


class DisputeWindowOver(Conflict):
    """Approved hours can be disputed for a limited time after their approval; `until` tells when that was over."""

    code = "dispute_window_over"
    title = gettext_lazy("Too late to dispute these hours")
    example_members: ClassVar[Mapping[str, Any]] = {"until": "2026-12-16T09:30:00Z"}


class ApprovedByTheLab(Conflict):
    """Your lab approved these hours itself; they were not approved by silence.

    Say in `what_changed` what you know now and did not know then: the expert and whoever decides will read it.
    """

    code = "approved_by_the_lab"
    title = gettext_lazy("You approved these hours yourself")


class AlreadyDisputed(Conflict):
    """An entry is disputed once. `dispute` names the one that is open or was decided."""

    code = "already_disputed"
    title = gettext_lazy("This entry was disputed already")
    example_members: ClassVar[Mapping[str, Any]] = {"dispute": "dsp_01k9w3v6z8f2qr5t4h7xnm0ceg"}


def require_open(*, entry: TimeEntry, what_changed: str, now: dt.datetime) -> None:
    """Raise AlreadyDisputed, DisputeWindowOver or ApprovedByTheLab unless approved hours may still be disputed."""
    former = Dispute.objects.filter(entry=entry.pk).first()
    if former is not None:
        raise AlreadyDisputed(dispute=former.public_id)
    until = (entry.approved_at or now) + dt.timedelta(days=settings.DISPUTE_AFTER_APPROVAL_DAYS)
    if now >= until:
        raise DisputeWindowOver(until=f"{until:%Y-%m-%dT%H:%M:%SZ}")
    if entry.status != TimeEntry.Status.AUTO_APPROVED and not what_changed.strip():
        raise ApprovedByTheLab


def set_aside(*, dispute: Dispute, entry: TimeEntry, now: dt.datetime) -> None:
    """Move what is contested and still here from the expert's payable to his holdback; says on ``dispute`` how much.

    Pay of these hours that is in a payout already is left alone, wherever that payout is: another week's pay is not
    taken for it. Raises InvalidInput when more of the pay was taken back already than the proposal leaves.
    """
    full = counted_hours.priced(entry, dispute.claimed(entry))
    proposed = counted_hours.priced(entry, dispute.proposed_seconds)
    counted_hours.require_above_taken(entry, proposed, pointer="/proposed")
    here = _lock(entry, now=now)
    if has_left(entry):
        return
    contested = full.gross_minor - full.holdback_minor - proposed.gross_minor + proposed.holdback_minor
    dispute.set_aside_minor = min(contested, max(here["expert_payable"], 0))
    if dispute.set_aside_minor:
        beside_postings.dispute_opened(dispute=_contested(dispute, entry, now), now=now)


def settle(*, dispute: Dispute, entry: TimeEntry, now: dt.datetime) -> None:
    """Give back what was set aside, and correct the hours to what was decided, with everything locked at once."""
    _lock(entry, now=now)
    if dispute.set_aside_minor:
        beside_postings.dispute_resolved(dispute=_contested(dispute, entry, now), now=now)
    if dispute.decided_seconds is not None and dispute.decided_seconds < dispute.claimed(entry):
        adjustments.correct(
            entry=entry,
            counted=dispute.decided_seconds,
            reason=dispute.outcome_note or dispute.reason,
            decided_by=dispute.decided_by,
            is_outcome=True,
            now=now,
        )


def has_left(entry: TimeEntry) -> bool:
    """Whether the pay of approved hours went into a payout that has not come back."""
    payouts = Payout.objects.filter(expert=entry.expert_id, currency=entry.currency, run__cutoff__gt=entry.approved_at)
    return payouts.exclude(status__in=GONE_BACK).exists()


def _lock(entry: TimeEntry, *, now: dt.datetime) -> dict[str, int]:
    return postings.lock_pay(
        tenant_id=entry.tenant_id,
        contract_id=entry.contract_id,
        expert_id=entry.expert_id,
        currency=entry.currency,
        now=now,
    )


def _contested(dispute: Dispute, entry: TimeEntry, now: dt.datetime) -> ExpertPay:
    return ExpertPay(
        source_id=dispute.public_id,
        expert_id=entry.expert_id,
        currency=entry.currency,
        gross_minor=dispute.set_aside_minor,
        effective_at=now,
        tenant_id=entry.tenant_id,
    )
