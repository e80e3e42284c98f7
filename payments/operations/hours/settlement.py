"""The moment hours become money: terms and amounts are written on the entry once, and the journal moves with them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from core import states
from core.money import fee_for, pay_for, share
from payments.models import TimeEntry
from payments.operations.pay import postings
from payments.operations.pay.postings import ApprovedTime

_WRITTEN = (
    "status",
    "seconds",
    "overage_seconds",
    "disallowed_seconds",
    "rate_minor",
    "fee_bp",
    "currency",
    "gross_minor",
    "fee_minor",
    "holdback_minor",
    "approved_at",
)


def settle(*, entries: Sequence[TimeEntry], to: str, now: dt.datetime) -> None:
    """Price entries by the terms that were in force when they were worked, and post them, in one transaction.

    The entries are locked by the caller and carry their snapshots. gross = ROUND_HALF_UP(seconds x rate / 3600), fee
    and holdback from the rounded gross. Each entry has one journal entry; one without pay has none.
    """
    for entry in entries:
        states.move(entry, to)
        _price(entry, now=now)
    TimeEntry.objects.bulk_update(entries, _WRITTEN)
    paid = [entry for entry in entries if entry.gross_minor]
    if paid:
        postings.time_approved(entries=[approved_time(entry) for entry in paid], now=now)


def approved_time(entry: TimeEntry) -> ApprovedTime:
    """A settled entry as the journal takes it."""
    return ApprovedTime(
        source_id=entry.public_id,
        tenant_id=entry.tenant_id,
        contract_id=entry.contract_id,
        expert_id=entry.expert_id,
        currency=entry.currency,
        gross_minor=entry.gross_minor or 0,
        fee_minor=entry.fee_minor or 0,
        holdback_minor=entry.holdback_minor or 0,
        effective_at=entry.approved_at or entry.created_at,
    )


def _price(entry: TimeEntry, *, now: dt.datetime) -> None:
    terms = entry.snapshot
    gross = pay_for(entry.seconds, terms.rate_minor)
    entry.rate_minor = terms.rate_minor
    entry.fee_bp = terms.fee_bp
    entry.currency = terms.currency
    entry.gross_minor = gross
    entry.fee_minor = fee_for(gross, terms.fee_bp)
    entry.holdback_minor = share(gross, terms.holdback_bp)
    entry.approved_at = now
