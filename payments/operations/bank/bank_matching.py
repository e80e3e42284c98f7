"""Laying a provider's movements beside our own postings of its cash account, one to one.

What belongs together without doubt is linked (and, for fees and announced fundings, posted); the rest becomes an item.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from core.money import Money
from payments import accounts, payout_reasons
from payments.models import Funding, JournalEntry, Payout, ProviderEntry
from payments.operations.bank import bank_charges, bank_postings, reconciliation
from payments.operations.bank.reconciliation import Kind, about
from payments.operations.labs import funding

TOGETHER: Final = 200
PATIENCE: Final = dt.timedelta(hours=1)
"""So long a payout may take to follow what its provider booked, before somebody is told."""

log = structlog.get_logger(__name__)

_SETTLED: Final = {ProviderEntry.Kind.PAYOUT: "payout_settled", ProviderEntry.Kind.RETURN: "payout_returned"}
_MOVED_BY_HAND: Final = ("lab_refunded", "funding_reversed", "fx_covered")


def match_some(*, provider: str, now: dt.datetime, after: int = 0) -> tuple[int, int]:
    """Match the next movements that are not matched and not decided: the key of the last of them, 0 without any; how many
    were matched.

    A day of a great pay run has more of them than a job has time for: callers keep what each call did.
    """
    open_rows = ProviderEntry.objects.select_for_update(no_key=True, of=("self",), skip_locked=True)
    rows = list(open_rows.filter(provider=provider, journal_entry=None, pk__gt=after).order_by("pk")[:TOGETHER])
    return (rows[-1].pk if rows else 0), sum([_is_matched(entry, now) for entry in rows])


def link(entry: ProviderEntry, journal_entry: JournalEntry, *, now: dt.datetime) -> None:
    """They are the same; what was asked about the movement is answered."""
    entry.journal_entry = journal_entry
    entry.save(update_fields=["journal_entry"])
    reconciliation.resolved(entry.items.select_for_update(no_key=True, of=("self",)), now=now)


def postings_like(entry: ProviderEntry, *kinds: str) -> list[JournalEntry]:
    """Our postings of the same account, amount and kind that no movement is matched to, oldest first."""
    cash = accounts.cash(entry.provider, entry.currency)
    found = JournalEntry.objects.filter(
        kind__in=kinds,
        at_provider=None,
        postings__account__key=cash.text,
        postings__amount=-entry.amount_minor,
    )
    return list(found.order_by("pk"))


def _is_matched(entry: ProviderEntry, now: dt.datetime) -> bool:
    """One that cannot be matched alarms and keeps its own day open; the others are matched all the same."""
    try:
        with transaction.atomic():
            return _match(entry, now)
    except SoftTimeLimitExceeded:
        raise
    except Exception:
        log.exception("movement_not_matched", provider=entry.provider, reference=entry.reference)
        return False


def _match(entry: ProviderEntry, now: dt.datetime) -> bool:
    if entry.kind in _SETTLED:
        return _payout(entry, now)
    if entry.kind == ProviderEntry.Kind.FEE:
        return _fee(entry, now)
    if entry.kind == ProviderEntry.Kind.CREDIT:
        return _credit(entry, now)
    return _debit(entry, now)


def _payout(entry: ProviderEntry, now: dt.datetime) -> bool:
    payout = reconciliation.payout_of(entry.key)
    kind = _SETTLED[ProviderEntry.Kind(entry.kind)]
    if payout is not None and entry.key != payout.attempts.order_by("-n").values_list("idem_key", flat=True)[0]:
        payout = None  # an earlier attempt, which was proven dead: what paid the payout was another movement
    twin = next((one for one in postings_like(entry, kind) if payout and one.source_id == payout.public_id), None)
    if twin is None:
        is_asked = entry.items.exists()
        if not is_asked and entry.created_at <= now - PATIENCE:
            about(entry, Kind.MISSING_HERE, _untold(payout))
        return False
    link(entry, twin, now=now)
    return True


def _untold(payout: Payout | None) -> str:
    if payout is not None and payout.reason_code == payout_reasons.NOT_ARRIVED:
        return _("It came back after it was booked back as lost: post it as a loss, which it makes good.")
    return _("The provider booked it; the payout does not say so.")


def _fee(entry: ProviderEntry, now: dt.datetime) -> bool:
    """A fee that somebody recorded already, or a new one; one that is given back lowers the expense."""
    if entry.amount_minor > 0:
        spent = accounts.expense("provider_fee", entry.currency)
        link(entry, bank_postings.booked_by_hand(entry=entry, against=spent, now=now), now=now)
        return True
    recorded = postings_like(entry, "provider_fee") if entry.message_id else []
    if not recorded:
        amount = Money(-entry.amount_minor, entry.currency)
        try:
            charge = bank_charges.fee(
                provider=entry.provider, reference=_charge_reference(entry), amount=amount, now=now
            )
        except bank_charges.ChargeRecorded:
            about(entry, Kind.AMOUNT_DIFFERS, _("The fee was recorded with another amount."))
            return False
        recorded = list(JournalEntry.objects.filter(kind="provider_fee", source_id=charge.public_id))
    link(entry, recorded[0], now=now)
    return True


def _charge_reference(entry: ProviderEntry) -> str:
    """A provider without statements takes its fee for a movement, under whose id the tracker may have booked it."""
    if entry.message_id:
        return f"statement:{entry.public_id}"
    return entry.reference.removesuffix(reconciliation.FEE_ENDING)


def _credit(entry: ProviderEntry, now: dt.datetime) -> bool:
    announced = _announced(entry)
    if announced is None and _is_moved_by_hand(entry, now):
        return True
    if announced is None:
        about(entry, Kind.UNKNOWN_CREDIT, _("No funding has a reference like this."))
        return False
    exact = (announced.amount_minor, announced.currency) == (entry.amount_minor, entry.currency)
    exact = exact and announced.provider == entry.provider
    if exact and announced.status == Funding.Status.PENDING and settings.FUNDING_SETTLES_BY_STATEMENT:
        announced = funding.arrived(funding=announced, now=now)
    if announced.status == Funding.Status.SETTLED:  # perhaps by hand, with another amount than was announced
        for twin in postings_like(entry, "lab_funded"):
            if twin.source_id == announced.public_id:
                link(entry, twin, now=now)
                return True
    about(entry, Kind.FUNDING_PROPOSED, _proposal(announced, exact=exact), funding=announced)
    return False


def _announced(entry: ProviderEntry) -> Funding | None:
    """The funding whose reference the payer wrote, however his bank cut or spaced it."""
    found = list(Funding.objects.filter(reference__in=Funding.references_in(entry.text)).order_by("pk"))
    return found[0] if len(found) == 1 else None


def _proposal(announced: Funding, *, exact: bool) -> str:
    if not exact:
        return _("Its reference is that of %(reference)s, but amount, currency or account differ.") % {
            "reference": announced.reference
        }
    return _("Its reference is that of %(reference)s, which is %(status)s.") % {
        "reference": announced.reference,
        "status": announced.get_status_display(),
    }


def _debit(entry: ProviderEntry, now: dt.datetime) -> bool:
    if _is_moved_by_hand(entry, now):
        return True
    about(entry, Kind.UNKNOWN_DEBIT, _("Nothing that we know of was sent like this."))
    return False


def _is_moved_by_hand(entry: ProviderEntry, now: dt.datetime) -> bool:
    """Refunds and exchanges that people made at the bank: exactly one posting of ours waits for exactly this amount."""
    waiting = postings_like(entry, *_MOVED_BY_HAND)
    if len(waiting) != 1:
        return False
    link(entry, waiting[0], now=now)
    return True
