"""Taking down what providers say moved, and raising an item for whatever does not fit.

Rows of ours are found by what the provider repeats of them: a payout by its key, a funding by its reference. Nothing is
posted here; `bank_matching` lays movements beside the journal, and people decide about the rest.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from django.db.models import Max
from django.utils.translation import gettext as _

from core import states
from core.public import Principal, unit_of_work
from payments import turns
from payments.models import (
    BankMessage,
    BankStatement,
    BankTransfer,
    DayClose,
    Funding,
    Payout,
    PayoutAttempt,
    ProviderEntry,
    ReconciliationItem,
)
from payments.operations.bank import bank_files
from payments.operations.rails import sending_latch
from payments.providers import pain001
from payments.providers.iso20022 import Entry, Report
from payments.providers.port import Movement, Standing

Kind = ReconciliationItem.Kind
RECONCILER: Final = Principal.system("payments.reconcile")
FEE_ENDING: Final = ":fee"
_NEVER_EXECUTED: Final = ("rejected", "barred", "waiting")
log = structlog.get_logger(__name__)


def take_report(*, message: BankMessage, report: Report, now: dt.datetime) -> int:
    """Take down one statement or notification of our account; how many of its movements are new."""
    statement = None
    if report.day is not None:
        statement = _statement(message, report, report.day)
        if statement is None:
            return 0
    return sum([_take(message, statement, entry, now) for entry in report.entries])


def take_settlements(*, provider: str, movements: Iterable[Movement], now: dt.datetime) -> int:
    """Take down what a provider without statements settled, in a unit of work; how many movements are new.

    They count on today; on the first open day, when a worker with a later clock has closed today already.
    """
    with turn(provider=provider):
        told = {_reference(one, side[1]): (one, side) for one in movements for side in _sides(one)}
        known = ProviderEntry.objects.filter(provider=provider, reference__in=told)
        fresh = told.keys() - set(known.values_list("reference", flat=True))  # the others are told again each hour
        return sum([_settled(provider, one, *side, now) for name, (one, side) in told.items() if name in fresh])


@contextmanager
def turn(*, provider: str) -> Iterator[None]:
    """One worker at a time: what comes while another closes days is counted before they close, or on the day after."""
    with unit_of_work(RECONCILER):
        turns.take(f"reconcile.{provider}")
        yield


def _reference(movement: Movement, ending: str) -> str:
    return f"{movement.movement_id}{ending}"[:100]


def _sides(movement: Movement) -> list[tuple[str, str, int]]:
    """Kind, ending of the reference, and signed amount of each thing that moved.

    What it took for a movement it keeps, whatever becomes of that. What fails after it was paid has come back.
    """
    sides = [(str(ProviderEntry.Kind.FEE), FEE_ENDING, -movement.fee_minor)] if movement.fee_minor else []
    came_back = movement.standing is Standing.RETURNED or (
        movement.standing is Standing.FAILED and _was_paid(movement.key)
    )
    if movement.standing is Standing.PAID or came_back:
        sides.append((str(ProviderEntry.Kind.PAYOUT), "", -movement.amount_minor))
    if came_back:
        sides.append((str(ProviderEntry.Kind.RETURN), ":return", movement.amount_minor))
    return sides


def _was_paid(key: str) -> bool:
    """Whether the provider called it paid before, and we followed. An attempt with another after it failed unpaid."""
    payout = payout_of(key)
    if payout is None or payout.paid_at is None:
        return False
    return payout.attempts.order_by("-n").values_list("idem_key", flat=True)[0] == key


def _settled(provider: str, movement: Movement, kind: str, ending: str, minor: int, now: dt.datetime) -> bool:
    _row, is_new = ProviderEntry.objects.get_or_create(
        provider=provider,
        reference=_reference(movement, ending),
        defaults={
            "kind": kind,
            "key": movement.key,
            "amount_minor": minor,
            "currency": movement.currency,
            "booked_on": _open_day(provider, movement.currency, now),
            "code": movement.code,
            "created_at": now,
        },
    )
    return is_new


def _open_day(provider: str, currency: str, now: dt.datetime) -> dt.date:
    closed = DayClose.objects.filter(provider=provider, currency=currency, status=DayClose.Status.CLOSED)
    last: dt.date | None = closed.aggregate(day=Max("day"))["day"]
    return max(now.date(), last + dt.timedelta(days=1)) if last else now.date()


def raise_item(
    *,
    provider: str,
    kind: str,
    reference: str,
    amount_minor: int,
    currency: str,
    day: dt.date,
    detail: str,
    entry: ProviderEntry | None = None,
    journal_entry_id: int | None = None,
    payout: Payout | None = None,
    funding: Funding | None = None,
) -> ReconciliationItem:
    """Put something before people, once for each reference and kind; a decided one is not raised again."""
    item, is_new = ReconciliationItem.objects.get_or_create(
        provider=provider,
        reference=reference[:100],
        kind=kind,
        defaults={
            "amount_minor": amount_minor,
            "currency": currency,
            "day": day,
            "detail": detail[:300],
            "entry": entry,
            "journal_entry_id": journal_entry_id,
            "payout": payout,
            "funding": funding,
        },
    )
    if is_new:
        log.warning("reconciliation_item", provider=provider, kind=kind, reference=reference)
    return item


def about(entry: ProviderEntry, kind: str, detail: str, *, funding: Funding | None = None) -> ReconciliationItem:
    """An item about a provider's movement."""
    return raise_item(
        provider=entry.provider,
        kind=kind,
        reference=entry.reference,
        amount_minor=entry.amount_minor,
        currency=entry.currency,
        day=entry.booked_on,
        detail=detail,
        entry=entry,
        payout=payout_of(entry.key),
        funding=funding,
    )


def conflict(*, transfer: BankTransfer, day: dt.date, detail: str) -> ReconciliationItem:
    """The bank contradicts itself about a transfer."""
    return raise_item(
        provider=transfer.provider,
        kind=Kind.CONFLICT,
        reference=transfer.end_to_end_id,
        amount_minor=transfer.amount_minor,
        currency=transfer.currency,
        day=day,
        detail=detail,
        payout=payout_of(transfer.key),
    )


def resolved(items: Iterable[ReconciliationItem], *, now: dt.datetime) -> None:
    """What was missing has come: nobody needs to decide any more."""
    for item in items:
        if item.status == ReconciliationItem.Status.OPEN:
            states.move(item, ReconciliationItem.Status.MATCHED)
            item.decided_at = now
            item.save()


def payout_of(key: str) -> Payout | None:
    """The payout that a key was used for."""
    attempt = PayoutAttempt.objects.filter(idem_key=key).select_related("payout").first() if key else None
    return attempt.payout if attempt else None


def _statement(message: BankMessage, report: Report, day: dt.date) -> BankStatement | None:
    """The statement's row; None when another one for the same day says something else."""
    figures = {"opening_minor": report.opening_minor, "closing_minor": report.closing_minor}
    listed = sum(entry.amount_minor for entry in report.entries)
    statement, is_new = BankStatement.objects.get_or_create(
        provider=message.provider,
        currency=report.currency,
        day=day,
        defaults=figures
        | {
            "statement_id": _statement_id(message.provider, report, day),
            "number": report.number,
            "listed_minor": listed,
            "message": message,
        },
    )
    known = (statement.opening_minor, statement.closing_minor, statement.listed_minor)
    if is_new or known == (report.opening_minor, report.closing_minor, listed):
        return statement
    raise_item(
        provider=message.provider,
        kind=Kind.STATEMENT_GAP,
        reference=f"{report.statement_id[:80]}:again",
        amount_minor=report.closing_minor - statement.closing_minor,
        currency=report.currency,
        day=statement.day,
        detail=_("A second statement for the same day has other figures; the first one counts."),
    )
    return None


def _statement_id(provider: str, report: Report, day: dt.date) -> str:
    """The bank's own id; where it begins anew (each year, or for each currency) what it is about is added."""
    taken = BankStatement.objects.filter(provider=provider, statement_id=report.statement_id[:60])
    if taken.exclude(currency=report.currency, day=day).exists():
        return f"{report.statement_id[:45]}:{report.currency}:{day}"
    return report.statement_id[:60]


def _take(message: BankMessage, statement: BankStatement | None, told: Entry, now: dt.datetime) -> bool:
    """One movement, taken down once however often it is told; whether it is new."""
    known = ProviderEntry.objects.filter(provider=message.provider, reference=told.reference).first()
    if known is not None:
        return _told_again(known, statement, told)
    transfers = BankTransfer.objects.select_for_update(no_key=True, of=("self",)).filter(provider=message.provider)
    transfer = transfers.filter(end_to_end_id=told.end_to_end_id).first() if told.end_to_end_id else None
    entry = ProviderEntry.objects.create(
        provider=message.provider,
        reference=told.reference,
        kind=_kind(told, transfer),
        key=transfer.key if transfer else "",
        amount_minor=told.amount_minor,
        currency=told.currency,
        booked_on=told.booked_on,
        counterparty=told.counterparty,
        text=told.text,
        code=told.code[:40],
        message=message,
        statement=statement,
        created_at=now,
    )
    if transfer is not None:
        _lay_on(transfer, entry, now)
    elif told.end_to_end_id:  # one of ours that this database forgot, after an old backup was restored
        sending_latch.fall_before_strangers([pain001.key_of(told.end_to_end_id)], now=now)
    return True


def _told_again(known: ProviderEntry, statement: BankStatement | None, told: Entry) -> bool:
    if (known.amount_minor, known.currency) != (told.amount_minor, told.currency):
        about(known, Kind.AMOUNT_DIFFERS, _("It was told twice, with different amounts."))
    elif statement is not None and known.statement_id is None:
        known.statement = statement
        known.booked_on = told.booked_on  # what the statement says is final
        known.save(update_fields=["statement", "booked_on"])
    return False


def _kind(told: Entry, transfer: BankTransfer | None) -> str:
    if told.is_charge:
        return ProviderEntry.Kind.FEE
    if told.amount_minor > 0:
        return ProviderEntry.Kind.RETURN if transfer else ProviderEntry.Kind.CREDIT
    return ProviderEntry.Kind.PAYOUT if transfer else ProviderEntry.Kind.DEBIT


def _lay_on(transfer: BankTransfer, entry: ProviderEntry, now: dt.datetime) -> None:
    """What the movement means for our transfer."""
    same = ProviderEntry.objects.filter(provider=entry.provider, key=entry.key, kind=entry.kind).exclude(pk=entry.pk)
    if (abs(entry.amount_minor), entry.currency) != (transfer.amount_minor, transfer.currency):
        about(
            entry, Kind.AMOUNT_DIFFERS, _("%(ordered)d minor units were ordered.") % {"ordered": transfer.amount_minor}
        )
    elif same.exists():
        about(entry, Kind.DUPLICATE, _("The bank booked this transfer before."))
    elif transfer.status in _NEVER_EXECUTED:
        about(
            entry,
            Kind.CONFLICT,
            _("It was %(status)s (%(code)s).") % {"status": transfer.status, "code": transfer.code},
        )
    elif entry.kind == ProviderEntry.Kind.RETURN:
        bank_files.returned(transfer, code=entry.code, now=now)
    elif entry.kind == ProviderEntry.Kind.PAYOUT:
        bank_files.booked(transfer, now=now)
