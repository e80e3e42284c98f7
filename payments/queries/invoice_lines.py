"""What stands on an invoice or a credit note: its charges line by line, and how the lab's balance moved."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Min

from core import scope
from core.money import Money
from payments.models import CreditNote, Invoice
from payments.queries import bills, charges
from payments.queries.charges import Charge
from payments.queries.statement_lines import Sources, label_of, seconds_of


@dataclass(frozen=True, slots=True)
class Line:
    """One charge: for whom (by the lab's own pseudonym), for what; pay and fee, negative where it was taken back.

    ``day`` is when it was worked (or given), ``booked_on`` the day in the platform's zone on which the journal took it.
    ``is_late`` says that its month was billed before it came.
    """

    day: dt.date
    booked_on: dt.date
    is_late: bool
    kind: str
    subject: str
    pseudonym: str
    contract: str
    activity: str
    seconds: int | None
    rate: Money | None
    gross: Money
    fee: Money

    @property
    def label(self) -> str:
        """The words for what happened."""
        return label_of(self.kind)

    @property
    def total(self) -> Money:
        """What the lab pays for it."""
        return self.gross + self.fee


@dataclass(frozen=True, slots=True)
class Balance:
    """The lab's money (prepaid and reserved, less what it owed) over an invoice's range of the journal. Minor units."""

    opening_minor: int
    paid_in_minor: int
    paid_out_minor: int
    charged_minor: int
    other_minor: int

    @property
    def closing_minor(self) -> int:
        """What was left at the end of the range."""
        return self.opening_minor + self.paid_in_minor + self.paid_out_minor + self.charged_minor + self.other_minor


def of_invoice(invoice: Invoice) -> list[Line]:
    """Everything that it bills, in order of the journal."""
    with scope.as_platform():
        bill, sources = _bill(invoice)
        since = invoice.period_start
        return [_line(charge, sources, invoice.currency, since=since) for charge in bill.billed]


def of_credit_note(note: CreditNote) -> list[Line]:
    """What it takes back of single charges; nothing for one that finance wrote. Its invoice is joined."""
    if note.decided_by_id is not None:
        return []
    with scope.as_platform():
        bill, sources = _bill(note)
        return [_line(charge, sources, note.currency) for charge in bill.credits[note.invoice_id]]


def _first_of(paper: Invoice | CreditNote) -> int | None:
    """The first credit note of a paper's range: it and those after it had those before it to count with."""
    if isinstance(paper, Invoice):
        return None
    with_it = CreditNote.objects.filter(tenant=paper.tenant_id, currency=paper.currency, upto_entry=paper.upto_entry)
    first: int | None = with_it.aggregate(first=Min("pk"))["first"]
    return first


def balance_of(invoice: Invoice) -> Balance:
    """How the lab's money moved over the range of the invoice."""
    tenant_id, currency = invoice.tenant_id, invoice.currency
    with scope.as_platform():
        opening = charges.balance_at(tenant_id=tenant_id, currency=currency, upto=invoice.after_entry)
        within = charges.legs_of_lab(
            tenant_id=tenant_id, currency=currency, after=invoice.after_entry, upto=invoice.upto_entry
        )
    sums: dict[str, int] = defaultdict(int)
    for legs in within.values():
        sums[_group_of(legs)] += _lab_part(legs)
    return Balance(
        opening_minor=opening,
        paid_in_minor=sums["in"],
        paid_out_minor=sums["out"],
        charged_minor=sums["charged"],
        other_minor=sums["other"],
    )


def _bill(paper: Invoice | CreditNote) -> tuple[bills.Bill, Sources]:
    return bills.bill_of(
        tenant_id=paper.tenant_id,
        currency=paper.currency,
        after=paper.after_entry,
        upto=paper.upto_entry,
        before_note=_first_of(paper),
    )


def _lab_part(legs: dict[str, int]) -> int:
    return sum(legs.get(kind, 0) for kind in charges.LAB)


def _group_of(legs: dict[str, int]) -> str:
    cash = legs.get("cash", 0)
    if cash:
        return "in" if cash < 0 else "out"
    return "charged" if charges.is_charge(legs) else "other"


def _line(charge: Charge, sources: Sources, currency: str, *, since: dt.date | None = None) -> Line:
    event = charge.event
    hours = sources.entries.get((event.reverses or event).source_id)
    adjustment = sources.adjustments.get(event.source_id)
    about = hours or (adjustment.entry if adjustment else None)
    contract = about.contract if about else adjustment.contract if adjustment else None
    booked_on = event.created_at.astimezone(ZoneInfo(settings.PLATFORM_ZONE)).date()
    return Line(
        day=about.local_day if about else event.effective_at.date(),
        booked_on=booked_on,
        is_late=since is not None and booked_on < since,
        kind=event.kind,
        subject=charge.subject,
        pseudonym=contract.lab_expert.public_id if contract else "",
        contract=contract.public_id if contract else "",
        activity=str(about.get_activity_display()) if about else "",
        seconds=seconds_of(event, hours, sources) if hours else None,
        rate=Money(hours.rate_minor or 0, currency) if hours else None,
        gross=Money(charge.gross_minor, currency),
        fee=Money(charge.fee_minor, currency),
    )
