"""What the journal charges a lab: each event that moves its money towards experts and fees, and what it is about.

An event is a charge by its legs, not by its name: what leaves the lab's accounts (prepaid, reserved, receivable) comes to
experts (payable, holdback) and to the platform's fee. New kinds of events are billed without being named here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from django.db.models import Sum

from payments.models import Invoice, JournalEntry, Posting
from payments.queries.statement_lines import Sources, sources_of

LAB: Final = ("lab_prepaid", "lab_reserved", "lab_receivable")
_EXPERT: Final = ("expert_payable", "expert_holdback")
CREDITED: Final = "invoice_credited"
"""What credit notes of finance post: they are papers already."""


@dataclass(frozen=True, slots=True)
class Charge:
    """One event: what experts earned by it and the fee on it, minor units, negative where it was taken back.

    ``subject`` is the time entry or adjustment that is paid for, whatever event touches it.
    """

    event: JournalEntry
    subject: str
    gross_minor: int
    fee_minor: int

    @property
    def total_minor(self) -> int:
        """What the lab pays."""
        return self.gross_minor + self.fee_minor


@dataclass(frozen=True, slots=True)
class Bill:
    """Charges sorted to papers. ``credits`` takes back parts of earlier invoices, by invoice."""

    work: list[Charge] = field(default_factory=list)
    extras: list[Charge] = field(default_factory=list)
    corrections: list[Charge] = field(default_factory=list)
    credits: dict[int, list[Charge]] = field(default_factory=lambda: defaultdict(list))

    @property
    def billed(self) -> list[Charge]:
        """What stands on the invoice, in order of the journal."""
        return sorted([*self.work, *self.extras, *self.corrections], key=lambda charge: charge.event.pk)


def gross_of(charges: Iterable[Charge]) -> int:
    """What experts earned by them."""
    return sum(charge.gross_minor for charge in charges)


def fee_of(charges: Iterable[Charge]) -> int:
    """The platform's fee on them."""
    return sum(charge.fee_minor for charge in charges)


def legs_of_lab(*, tenant_id: int, currency: str, after: int, upto: int | None) -> dict[int, dict[str, int]]:
    """Every event of the range that touches the lab's accounts: its sums by kind of account. As the platform."""
    touched = Posting.objects.filter(
        account__tenant=tenant_id, account__kind__in=LAB, currency=currency, entry_id__gt=after
    )
    if upto is not None:
        touched = touched.filter(entry_id__lte=upto)
    sums: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    legs = Posting.objects.filter(entry__in=touched.values("entry"), currency=currency)
    for entry_id, kind, amount in legs.order_by("entry_id").values_list("entry_id", "account__kind", "amount"):
        sums[entry_id][kind] += amount
    return sums


def balance_at(*, tenant_id: int, currency: str, upto: int) -> int:
    """The lab's money after an entry: prepaid and reserved, less what it owed. As the platform."""
    legs = Posting.objects.filter(
        account__tenant=tenant_id, account__kind__in=LAB, currency=currency, entry_id__lte=upto
    )
    return legs.aggregate(total=Sum("amount"))["total"] or 0


def charges(*, tenant_id: int, currency: str, after: int, upto: int) -> tuple[list[Charge], Sources]:
    """The charges of a range of the journal, in order, with what they are about. As the platform."""
    return _charges_among(legs_of_lab(tenant_id=tenant_id, currency=currency, after=after, upto=upto))


def came_in(*, tenant_id: int, currency: str, after: int) -> int:
    """What the lab's accounts received after an entry. As the platform.

    Of work that was taken back and charged anew, as every correction does, only what is left over came in.
    """
    sums = legs_of_lab(tenant_id=tenant_id, currency=currency, after=after, upto=None)
    found, _sources = _charges_among(sums)
    given_back: dict[str, int] = defaultdict(int)
    for charge in found:
        legs = sums.pop(charge.event.pk)
        given_back[charge.subject] += sum(legs.get(kind, 0) for kind in LAB)
    others = (sum(legs.get(kind, 0) for kind in LAB) for legs in sums.values())
    return sum(max(0, minor) for minor in (*given_back.values(), *others))


def _charges_among(sums: dict[int, dict[str, int]]) -> tuple[list[Charge], Sources]:
    paid = {pk: legs for pk, legs in sums.items() if is_charge(legs)}
    events = list(
        JournalEntry.objects.filter(pk__in=list(paid)).exclude(kind=CREDITED).select_related("reverses").order_by("pk")
    )
    sources = sources_of(events)
    return [
        Charge(
            event=event,
            subject=subject_of(event, sources),
            gross_minor=sum(paid[event.pk][kind] for kind in _EXPERT),
            fee_minor=paid[event.pk]["fee_income"],
        )
        for event in events
    ], sources


def subject_of(event: JournalEntry, sources: Sources) -> str:
    """The time entry, or else the bonus, that an event is about in the end; else its own source."""
    origin = (event.reverses or event).source_id
    if origin in sources.disputes:
        return sources.disputes[origin].entry.public_id
    about = sources.adjustments.get(origin)
    while about is not None and about.takes_back is not None:
        about = about.takes_back
    if about is None:
        return origin
    return about.entry.public_id if about.entry else about.public_id


def sorted_to_papers(found: Iterable[Charge], earlier: list[Invoice]) -> Bill:
    """Which paper each charge belongs to, given the lab's earlier invoices in this currency, oldest first.

    What is taken back on balance of something that was billed before is credited to the invoice that billed it, or to
    the latest one where no single entry is meant. Everything else is billed now.
    """
    by_subject: dict[str, list[Charge]] = defaultdict(list)
    for charge in found:
        by_subject[charge.subject].append(charge)
    billed_by = _billed_by(by_subject, earlier)
    bill = Bill()
    for subject, group in by_subject.items():
        net = sum(charge.total_minor for charge in group)
        if net < 0 and earlier:
            bill.credits[billed_by.get(subject, earlier[-1].pk)] += group
        elif subject in billed_by or net < 0:
            bill.corrections.extend(group)
        elif subject.startswith("tme_"):
            bill.work.extend(group)
        else:
            bill.extras.extend(group)
    return bill


def earlier_than(*, tenant_id: int, currency: str, after: int) -> list[Invoice]:
    """The invoices that bill the journal up to ``after``, oldest first."""
    return list(
        Invoice.objects.filter(tenant=tenant_id, currency=currency, upto_entry__lte=after).order_by("upto_entry")
    )


def bill_of(*, tenant_id: int, currency: str, after: int, upto: int) -> tuple[Bill, Sources]:
    """What a range of the journal puts on which paper; the same whenever it is asked. As the platform."""
    found, sources = charges(tenant_id=tenant_id, currency=currency, after=after, upto=upto)
    return sorted_to_papers(found, earlier_than(tenant_id=tenant_id, currency=currency, after=after)), sources


def is_charge(legs: dict[str, int]) -> bool:
    """Whether an event with these sums by kind of account pays experts or the platform."""
    return bool(sum(legs.get(kind, 0) for kind in _EXPERT) or legs.get("fee_income", 0))


def _billed_by(subjects: Iterable[str], earlier: list[Invoice]) -> dict[str, int]:
    """Subject → the invoice that billed it first, for those billed before."""
    if not earlier:
        return {}
    first = JournalEntry.objects.filter(
        source_id__in=list(subjects), reverses=None, pk__lte=earlier[-1].upto_entry
    ).order_by("-pk")
    found = {}
    for source_id, entry_id in first.values_list("source_id", "pk"):
        invoice = next((row for row in earlier if row.after_entry < entry_id <= row.upto_entry), None)
        if invoice is not None:
            found[source_id] = invoice.pk
    return found
