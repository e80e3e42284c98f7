"""Bill labs: an invoice per currency and closed month, and credit notes for what was taken back after its invoice."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max, Min, Sum
from django.utils.translation import gettext as _

from core import outbox, scope, states, sweeps
from core.money import share
from core.public import Principal, unit_of_work
from core.sweeps import sweep
from core.wake import wake
from payments import accounts, ledger, vat
from payments.billing_calendar import Month, closed_months
from payments.ledger import NewEntry
from payments.models import Account, CreditNote, DocumentSeries, Invoice, JournalEntry, LabBillingProfile, Posting
from payments.operations.labs import billing, reservations, series
from payments.queries import bills, charges
from payments.queries.bills import Bill
from payments.queries.charges import Charge

ISSUE: Final = "payments.issue_invoices"
FOLLOW: Final = "payments.follow_invoices"
log = structlog.get_logger(__name__)
Ledger = tuple[int, str]
"""A lab's tenant and a currency."""


@dataclass(frozen=True, slots=True)
class Span:
    """A lab's stretch of the journal in one currency: the entries after one up to another."""

    tenant_id: int
    currency: str
    after: int
    upto: int


def issue_due(*, now: dt.datetime, tenant_id: int | None = None, after: Ledger = (0, "")) -> int:
    """Issue whatever closed months lack, of all labs or one; each month is a unit of work of its own. How many papers.

    Where a month cannot be billed, those behind it in the same books wait for it; other books do not, nor for those that
    take all the time a job has: another run goes on with those ``after``. Whoever asks for one lab alone is told by
    the error itself.
    """
    made, ends, last = 0, time.monotonic() + sweeps.SECONDS, after
    for owner, currency in _billable(tenant_id, after):
        if last != after and tenant_id is None and time.monotonic() >= ends:
            wake(ISSUE, *last)
            break
        last = owner, currency
        try:
            with unit_of_work(Principal.system(ISSUE)):
                months = _unbilled_months(owner, currency, now=now)
            for month in months:
                with unit_of_work(Principal.system(ISSUE)):
                    made += len(issue(tenant_id=owner, currency=currency, month=month, now=now))
        except SoftTimeLimitExceeded:
            log.error("invoice_too_slow", job=ISSUE, tenant=owner, currency=currency)
            wake(ISSUE, *last)
            raise
        except Exception:  # one lab's books must not keep the others from their invoices
            log.exception("invoice_failed", job=ISSUE, tenant=owner, currency=currency)
            if tenant_id is not None:
                raise
    return made


def catch_up(*, tenant_id: int, currency: str, now: dt.datetime) -> None:
    """Bill a lab's closed months now, in the same transaction, for whoever judges what is left of its invoices: their papers come before his act.

    Between a month's end and the job that bills it, a judgement over both months together would find another rest than
    the papers, which are written month by month. A month that cannot be billed stays the job's, which alarms.
    """
    with scope.as_platform(), suppress(IntegrityError), transaction.atomic():
        for month in _unbilled_months(tenant_id, currency, now=now):
            issue(tenant_id=tenant_id, currency=currency, month=month, now=now)


@transaction.atomic
def issue(*, tenant_id: int, currency: str, month: Month, now: dt.datetime) -> list[Invoice | CreditNote]:
    """Bill what the journal charged up to the end of a closed month and no paper bills yet; nothing twice.

    The lab's accounts are locked, so that the range of the journal is complete. Without any charge there is no paper,
    and the next month's begins where this one would have. A month that somebody billed meanwhile stays as it is billed:
    what was booked in it since is the next one's.
    """
    with scope.as_platform():
        keys = [accounts.lab_prepaid(tenant_id, currency), accounts.lab_receivable(tenant_id, currency)]
        ledger.lock(keys=keys, now=now)
        billed = _billed_months(tenant_id, currency)
        span = _span(tenant_id, currency, month)
        if span is None or (billed is not None and month.start < billed):
            return []
        bill, _sources = bills.bill_of(tenant_id=tenant_id, currency=currency, after=span.after, upto=span.upto)
        papers: list[Invoice | CreditNote] = []
        if sum(charge.total_minor for charge in bill.billed) > 0:
            papers.append(_invoice(span, month, bill, now=now))
        for invoice_id, taken in sorted(bill.credits.items()):
            papers.append(_credit(span, Invoice.objects.get(pk=invoice_id), taken, now=now))
        return papers


def follow_payments(*, now: dt.datetime, after: int = 0) -> int:
    """Note which invoices have been paid by now: debts are paid oldest first. How many."""
    open_ones = Invoice.objects.filter(status=Invoice.Status.ISSUED)

    def follow(pk: int) -> bool:
        invoice = open_ones.filter(pk=pk).select_for_update(no_key=True, of=("self",), skip_locked=True).first()
        if invoice is None or not _is_paid(invoice):
            return False
        _mark_paid(invoice, now=now)
        return True

    return sweep(by=Principal.system(FOLLOW), due=open_ones, step=follow, after=after)


def credit_fully(invoice: Invoice) -> None:
    """Mark an invoice whose every part was credited."""
    credited = invoice.credit_notes.aggregate(total=Sum("total_minor"))["total"] or 0
    if credited >= invoice.total_minor and states.can_move(invoice, Invoice.Status.CREDITED):
        states.move(invoice, Invoice.Status.CREDITED)
        invoice.save(update_fields=["status"])


def vat_back(invoice: Invoice, minor: int) -> int:
    """The VAT on so much more that is credited: rounded once for all credit notes, so that they never exceed the invoice's."""
    given = invoice.credit_notes.aggregate(gross=Sum("gross_minor"), fee=Sum("fee_minor"), vat=Sum("vat_minor"))
    net = (given["gross"] or 0) + (given["fee"] or 0) + minor
    return share(net, invoice.vat_bp or 0) - (given["vat"] or 0)


def tell(event: str, paper: Invoice | CreditNote, *, now: dt.datetime) -> None:
    """News for the lab."""
    outbox.publish(
        event, subject=paper.public_id, tenant_id=paper.tenant_id, payload={"reference": paper.reference}, now=now
    )


def numbered(kind: DocumentSeries.Kind, *, now: dt.datetime) -> dict[str, Any]:
    """The next number of the platform's own series, by the year in its zone."""
    year = now.astimezone(ZoneInfo(settings.PLATFORM_ZONE)).year
    prefix = {"invoice": "INV", "credit_note": "CRN"}[str(kind)]
    issuer = settings.ISSUER["key"]
    return series.take(
        kind=kind, issuer=issuer, year=year, prefix=f"{issuer}-{prefix}-{year}-" if issuer else f"{prefix}-{year}-"
    )


def _billable(tenant_id: int | None, after: Ledger) -> list[Ledger]:
    with unit_of_work(Principal.system(ISSUE)):
        found = Account.objects.filter(kind__in=charges.LAB, tenant__live=None, tenant__gte=after[0])
        if tenant_id is not None:
            found = found.filter(tenant=tenant_id)
        return sorted(ledger for ledger in set(found.values_list("tenant_id", "currency")) if ledger > after)


def _unbilled_months(tenant_id: int, currency: str, *, now: dt.datetime) -> list[Month]:
    first = _entries(tenant_id, currency, billed_upto(tenant_id, currency)).aggregate(at=Min("created_at"))["at"]
    billed = _billed_months(tenant_id, currency)
    zone = ZoneInfo(settings.PLATFORM_ZONE)
    return closed_months(first, now=now, zone=zone, billed=billed) if first else []


def _billed_months(tenant_id: int, currency: str) -> dt.date | None:
    """The first day that no invoice covers yet; None without an invoice.

    Whoever writes an entry read the clock before, so one may come after the invoice of its month.
    """
    mine = Invoice.objects.filter(tenant=tenant_id, currency=currency)
    end: dt.date | None = mine.aggregate(end=Max("period_end"))["end"]
    return end


def billed_upto(tenant_id: int, currency: str) -> int:
    """The last entry of the journal that papers cover."""
    papers = (model.objects.filter(tenant=tenant_id, currency=currency) for model in (Invoice, CreditNote))
    return max(rows.aggregate(last=Max("upto_entry"))["last"] or 0 for rows in papers)


def _entries(tenant_id: int, currency: str, after: int) -> Any:
    legs = Posting.objects.filter(
        account__tenant=tenant_id, account__kind__in=charges.LAB, currency=currency, entry_id__gt=after
    )
    return JournalEntry.objects.filter(pk__in=legs.values("entry"))


def _span(tenant_id: int, currency: str, month: Month) -> Span | None:
    after = billed_upto(tenant_id, currency)
    end = month.closes_at(ZoneInfo(settings.PLATFORM_ZONE))
    upto = _entries(tenant_id, currency, after).filter(created_at__lt=end).aggregate(last=Max("pk"))["last"]
    return Span(tenant_id, currency, after, upto) if upto else None


def _invoice(span: Span, month: Month, bill: Bill, *, now: dt.datetime) -> Invoice:
    profile = billing.profile_of(span.tenant_id)
    issuer = settings.ISSUER
    taxed = vat.treatment(
        issuer=issuer["country"], lab=profile.country, has_vat_id=bool(profile.vat_id), rates=settings.VAT_RATES
    )
    net = sum(charge.total_minor for charge in bill.billed)
    vat_minor = share(net, taxed.bp) if taxed.bp else 0
    invoice = Invoice(
        **numbered(DocumentSeries.Kind.INVOICE, now=now),
        tenant_id=span.tenant_id,
        currency=span.currency,
        period_start=month.start,
        period_end=month.end,
        after_entry=span.after,
        upto_entry=span.upto,
        **_figures(bill),
        vat_bp=taxed.bp,
        vat_minor=vat_minor,
        total_minor=net + vat_minor,
        parties={"issuer": dict(issuer), "lab": _address(profile), "vat_note": taxed.note},
        issued_at=now,
    )
    invoice.due_minor = min(max(vat_minor - _balance_at(span), 0), invoice.total_minor)
    invoice.save(force_insert=True)
    _charge_vat(invoice, now=now)
    tell("invoice.issued", invoice, now=now)
    if not invoice.due_minor:
        _mark_paid(invoice, now=now)
    return invoice


def _figures(bill: Bill) -> dict[str, int]:
    return {
        "work_minor": charges.gross_of(bill.work),
        "work_fee_minor": charges.fee_of(bill.work),
        "extra_minor": charges.gross_of(bill.extras),
        "extra_fee_minor": charges.fee_of(bill.extras),
        "correction_minor": charges.gross_of(bill.corrections),
        "correction_fee_minor": charges.fee_of(bill.corrections),
    }


def _address(profile: LabBillingProfile) -> dict[str, str]:
    names = ("legal_name", "street", "postal_code", "city", "country", "vat_id", "email", "purchase_order")
    return {name: getattr(profile, name) for name in names}


def _charge_vat(invoice: Invoice, *, now: dt.datetime) -> None:
    """Post the VAT that comes on top; what the lab's money does not cover is its debt."""
    if not invoice.vat_minor:
        return
    tenant_id, currency = invoice.tenant_id, invoice.currency
    prepaid, owing = accounts.lab_prepaid(tenant_id, currency), accounts.lab_receivable(tenant_id, currency)
    drawn = min(max(ledger.lock(keys=[prepaid, owing], now=now)[prepaid], 0), invoice.vat_minor)
    legs = [
        (prepaid, -drawn),
        (owing, drawn - invoice.vat_minor),
        (accounts.vat(settings.ISSUER["country"], currency), invoice.vat_minor),
    ]
    ledger.post(entries=[NewEntry("vat_charged", invoice.public_id, now, legs, tenant_id=tenant_id)], now=now)


def _credit(span: Span, invoice: Invoice, taken: Sequence[Charge], *, now: dt.datetime) -> CreditNote:
    """Credit what the journal took back: the money is with the lab already, only its VAT follows."""
    gross, fee = -charges.gross_of(taken), -charges.fee_of(taken)
    vat_minor = vat_back(invoice, gross + fee)
    note = CreditNote.objects.create(
        **numbered(DocumentSeries.Kind.CREDIT_NOTE, now=now),
        tenant_id=span.tenant_id,
        invoice=invoice,
        currency=span.currency,
        after_entry=span.after,
        upto_entry=span.upto,
        gross_minor=gross,
        fee_minor=fee,
        vat_minor=vat_minor,
        total_minor=gross + fee + vat_minor,
        reason=_("Pay that was corrected or taken back after the invoice."),
        issued_at=now,
    )
    if vat_minor:
        legs = [
            (accounts.vat(invoice.parties["issuer"]["country"], span.currency), -vat_minor),
            (accounts.lab_prepaid(span.tenant_id, span.currency), vat_minor),
        ]
        ledger.post(entries=[NewEntry("vat_credited", note.public_id, now, legs, tenant_id=span.tenant_id)], now=now)
        reservations.settle_debt(tenant_id=span.tenant_id, currency=span.currency, source_id=note.public_id, now=now)
    credit_fully(Invoice.objects.select_for_update(no_key=True, of=("self",)).get(pk=invoice.pk))
    tell("credit_note.issued", note, now=now)
    return note


def _balance_at(span: Span) -> int:
    """The lab's money at the end of a range: prepaid and reserved, less what it owed. Below zero it owes for work."""
    return charges.balance_at(tenant_id=span.tenant_id, currency=span.currency, upto=span.upto)


def _is_paid(invoice: Invoice) -> bool:
    """Whether as much came in since its range as was owed then, its VAT included: debts are paid oldest first."""
    span = Span(invoice.tenant_id, invoice.currency, invoice.after_entry, invoice.upto_entry)
    came_in = charges.came_in(tenant_id=span.tenant_id, currency=span.currency, after=span.upto)
    return came_in >= invoice.vat_minor - _balance_at(span)


def _mark_paid(invoice: Invoice, *, now: dt.datetime) -> None:
    states.move(invoice, Invoice.Status.PAID)
    invoice.paid_at = now
    invoice.save(update_fields=["status", "paid_at"])
    tell("invoice.paid", invoice, now=now)
