"""Which paper each charge belongs to: the invoice of its range, or a credit note to the invoice that billed it before.

What is taken back of something is credited to the invoices that billed it, the first of them first, and never more
than is left of each: of what it billed for it, and of what no credit note gave back, finance's own included. What finds
no room (``Bill.beyond``) was given back already: it is the platform's (`operations.labs.regained`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from django.db.models import Sum

from payments.models import CreditNote, Invoice, JournalEntry
from payments.queries import charges
from payments.queries.charges import Charge, fee_of, gross_of
from payments.queries.statement_lines import Sources


@dataclass(slots=True)
class Part:
    """So much of pay and of fee, minor units: billed, left to credit, or to be credited."""

    gross_minor: int = 0
    fee_minor: int = 0

    def take(self, wanted: Part, room: Part) -> Part:
        """Take what is ``wanted`` of this, as far as there is ``room``; all three are counted down."""
        gross = max(0, min(self.gross_minor, wanted.gross_minor, room.gross_minor))
        fee = max(0, min(self.fee_minor, wanted.fee_minor, room.fee_minor))
        for counted in (self, wanted, room):
            counted.gross_minor -= gross
            counted.fee_minor -= fee
        return Part(gross, fee)

    def __bool__(self) -> bool:
        """Whether it is anything."""
        return self.gross_minor > 0 or self.fee_minor > 0


@dataclass(frozen=True, slots=True)
class Bill:
    """Charges sorted to papers. ``credits`` takes back parts of earlier invoices, by invoice.

    ``beyond`` is, by subject, what is taken back and was credited before: the lab has it already.
    """

    work: list[Charge] = field(default_factory=list)
    extras: list[Charge] = field(default_factory=list)
    corrections: list[Charge] = field(default_factory=list)
    credits: dict[int, list[Charge]] = field(default_factory=lambda: defaultdict(list))
    beyond: dict[str, Part] = field(default_factory=dict)

    @property
    def billed(self) -> list[Charge]:
        """What stands on the invoice, in order of the journal."""
        return sorted([*self.work, *self.extras, *self.corrections], key=lambda charge: charge.event.pk)

    def credited_to(self, invoice_id: int) -> Part:
        """What is taken back of an invoice."""
        taken = self.credits.get(invoice_id, [])
        return Part(-gross_of(taken), -fee_of(taken))


def bill_of(
    *, tenant_id: int, currency: str, after: int, upto: int | None, before_note: int | None = None
) -> tuple[Bill, Sources]:
    """What a range of the journal puts on which paper. As the platform.

    The same whenever it is asked, given the credit notes there were: those up to ``before_note`` (excluded), or all.
    """
    found, sources = charges.charges(tenant_id=tenant_id, currency=currency, after=after, upto=upto)
    earlier = list(
        Invoice.objects.filter(tenant=tenant_id, currency=currency, upto_entry__lte=after).order_by("upto_entry")
    )
    groups = _by_subject(found)
    taken = {subject for subject, group in groups.items() if earlier and _total(group) < 0}
    former = _former(taken, earlier, after=after)
    rooms = rooms_of(earlier, before_note=before_note) if taken else {}
    again = _billed_before(groups.keys() - taken, earlier)
    bill = Bill()
    for subject, group in groups.items():
        if subject in taken:
            _credit(bill, subject, group, former.get(subject) or [(earlier[-1].pk, _opposite(group))], rooms)
        elif subject in again or _total(group) < 0:
            bill.corrections.extend(group)
        elif subject.startswith("tme_"):
            bill.work.extend(group)
        else:
            bill.extras.extend(group)
    return bill, sources


def rooms_of(invoices: Sequence[Invoice], *, before_note: int | None = None) -> dict[int, Part]:
    """What no credit note has given back of each invoice: of pay and of fee."""
    notes = CreditNote.objects.filter(invoice__in=[invoice.pk for invoice in invoices])
    if before_note is not None:
        notes = notes.filter(pk__lt=before_note)
    given = notes.values_list("invoice_id").annotate(gross=Sum("gross_minor"), fee=Sum("fee_minor")).order_by()
    rooms = {invoice.pk: Part(invoice.gross_minor, invoice.fee_minor) for invoice in invoices}
    for invoice_id, gross, fee in given:
        rooms[invoice_id].gross_minor -= gross
        rooms[invoice_id].fee_minor -= fee
    return rooms


def _by_subject(found: Iterable[Charge]) -> dict[str, list[Charge]]:
    """In the order of the last thing that happened to each: who comes last does not take anybody's room."""
    groups: dict[str, list[Charge]] = defaultdict(list)
    for charge in found:
        groups[charge.subject].append(charge)
    return dict(sorted(groups.items(), key=lambda item: item[1][-1].event.pk))


def _total(group: Iterable[Charge]) -> int:
    return sum(charge.total_minor for charge in group)


def _opposite(group: Sequence[Charge]) -> Part:
    return Part(-gross_of(group), -fee_of(group))


def _credit(
    bill: Bill, subject: str, group: list[Charge], billed: list[tuple[int, Part]], rooms: Mapping[int, Part]
) -> None:
    """Credit a group to the invoices that billed its subject; charges are cut where it is more than one of them."""
    wanted = _opposite(group)
    parts = [(pk, part) for pk, left in billed if (part := left.take(wanted, rooms[pk]))]
    if wanted:
        bill.beyond[subject] = wanted
    last, rest = parts[-1][0] if parts else billed[0][0], group
    for pk, part in parts[:-1]:
        cut, rest = _cut(rest, part)
        bill.credits[pk] += cut
    bill.credits[last] += rest


def _cut(group: list[Charge], part: Part) -> tuple[list[Charge], list[Charge]]:
    """So much out of what a group takes back, and the rest."""
    cut, rest = [], []
    for charge in group:
        gross = min(part.gross_minor, max(0, -charge.gross_minor))
        fee = min(part.fee_minor, max(0, -charge.fee_minor))
        part = Part(part.gross_minor - gross, part.fee_minor - fee)
        left = replace(charge, gross_minor=charge.gross_minor + gross, fee_minor=charge.fee_minor + fee)
        if gross or fee:
            cut.append(replace(charge, gross_minor=-gross, fee_minor=-fee))
        if left.gross_minor or left.fee_minor:
            rest.append(left)
    return cut, rest


def _former(subjects: set[str], earlier: list[Invoice], *, after: int) -> dict[str, list[tuple[int, Part]]]:
    """What invoices billed for each subject and journal and papers have not taken back since; the first of them first."""
    if not subjects:
        return {}
    tenant_id, currency = earlier[0].tenant_id, earlier[0].currency
    found = charges.charges_about(subjects, tenant_id=tenant_id, currency=currency, upto=after)
    notes = CreditNote.objects.filter(tenant=tenant_id, currency=currency, upto_entry__gt=0, upto_entry__lte=after)
    billed_at = {invoice.upto_entry: invoice.pk for invoice in earlier}
    ends = sorted({*billed_at, *notes.values_list("upto_entry", flat=True)})
    left: dict[str, list[tuple[int, Part]]] = defaultdict(list)
    for (end, subject), group in _by_range(found, ends).items():
        net = _opposite(group)
        if _total(group) < 0:
            for _pk, part in left[subject]:
                part.take(net, replace(part))
        elif end in billed_at:
            left[subject].append((billed_at[end], Part(-net.gross_minor, -net.fee_minor)))
    return left


def _by_range(found: Iterable[Charge], ends: list[int]) -> dict[tuple[int, str], list[Charge]]:
    """Charges by the end of the range of the journal they lie in and by subject, in order."""
    groups: dict[tuple[int, str], list[Charge]] = defaultdict(list)
    for charge in found:
        place = bisect_left(ends, charge.event.pk)
        if place < len(ends):
            groups[ends[place], charge.subject].append(charge)
    return dict(sorted(groups.items(), key=lambda item: item[0][0]))


def _billed_before(subjects: Iterable[str], earlier: list[Invoice]) -> set[str]:
    """Those of which an invoice billed something."""
    if not earlier:
        return set()
    return set(
        JournalEntry.objects.filter(
            source_id__in=list(subjects), reverses=None, pk__lte=earlier[-1].upto_entry
        ).values_list("source_id", flat=True)
    )
