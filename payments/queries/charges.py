"""What the journal charges a lab: each event that moves its money towards experts and fees, and what it is about.

An event is a charge by its legs, not by its name: what leaves the lab's accounts (prepaid, reserved, receivable) comes to
experts (payable, holdback) and to the platform's fee. New kinds of events are billed without being named here. Two are:
what finance credits is a paper already, and what the platform regains of it (`operations.labs.regained`) is charged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.db.models import Q, Sum
from django.db.models.query import QuerySet

from payments.models import Adjustment, JournalEntry, Posting
from payments.queries.statement_lines import Sources, sources_of

LAB: Final = ("lab_prepaid", "lab_reserved", "lab_receivable")
_EXPERT: Final = ("expert_payable", "expert_holdback")
CREDITED: Final = "invoice_credited"
"""What credit notes of finance post: they are papers already."""
REGAINED: Final = "credit_regained"
"""What was taken back and credited before: not the lab's a second time, but the platform's."""
_PAY: Final = (*_EXPERT, REGAINED)


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


def gross_of(charges: Iterable[Charge]) -> int:
    """What experts earned by them."""
    return sum(charge.gross_minor for charge in charges)


def fee_of(charges: Iterable[Charge]) -> int:
    """The platform's fee on them."""
    return sum(charge.fee_minor for charge in charges)


def legs_of_lab(*, tenant_id: int, currency: str, after: int, upto: int | None) -> dict[int, dict[str, int]]:
    """Every event of the range that touches the lab's accounts: its sums by kind of account. As the platform.

    What a credit of finance moves beside the lab's accounts is one sum, and so is what the platform regains for pay.
    """
    touched = _touching(tenant_id, currency).filter(entry_id__gt=after)
    if upto is not None:
        touched = touched.filter(entry_id__lte=upto)
    return _sums(Q(entry__in=touched.values("entry")), currency)


def charges_about(subjects: Iterable[str], *, tenant_id: int, currency: str, upto: int) -> list[Charge]:
    """Every charge about these entries and bonuses up to an entry, in order. As the platform."""
    ids = [*subjects, *adjustments_about(subjects).values_list("public_id", flat=True)]
    events = JournalEntry.objects.filter(source_id__in=ids, pk__lte=upto).values("pk")
    touched = _touching(tenant_id, currency).filter(entry__in=events)
    found, _sources = _charges_among(_sums(Q(entry__in=touched.values("entry")), currency))
    return found


def adjustments_about(subjects: Iterable[str]) -> QuerySet[Adjustment]:
    """What changed these entries and bonuses: corrections, what was taken back, and what was given back of that."""
    wanted, about = list(subjects), Q()
    for path in ("entry", "takes_back", "takes_back__entry", "takes_back__takes_back"):
        about |= Q(**{f"{path}__public_id__in": wanted})
    return Adjustment.objects.filter(about)


def _touching(tenant_id: int, currency: str) -> QuerySet[Posting]:
    return Posting.objects.filter(account__tenant=tenant_id, account__kind__in=LAB, currency=currency)


def _sums(events: Q, currency: str) -> dict[int, dict[str, int]]:
    sums: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    legs = Posting.objects.filter(events, currency=currency).order_by("entry_id")
    for entry_id, event, kind, amount in legs.values_list("entry_id", "entry__kind", "account__kind", "amount"):
        sums[entry_id][_name_of(event, kind)] += amount
    return sums


def _name_of(event: str, kind: str) -> str:
    """What a leg is summed under: its kind of account, but for the two events that are named."""
    if event == CREDITED and kind not in LAB:
        return CREDITED
    return REGAINED if event == REGAINED and kind == "expense" else kind


def balance_at(*, tenant_id: int, currency: str, upto: int) -> int:
    """The lab's money after an entry: prepaid and reserved, less what it owed. As the platform."""
    legs = Posting.objects.filter(
        account__tenant=tenant_id, account__kind__in=LAB, currency=currency, entry_id__lte=upto
    )
    return legs.aggregate(total=Sum("amount"))["total"] or 0


def charges(*, tenant_id: int, currency: str, after: int, upto: int | None) -> tuple[list[Charge], Sources]:
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
    events = list(JournalEntry.objects.filter(pk__in=list(paid)).select_related("reverses").order_by("pk"))
    sources = sources_of(events)
    return [
        Charge(
            event=event,
            subject=subject_of(event, sources),
            gross_minor=sum(paid[event.pk][kind] for kind in _PAY),
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


def is_charge(legs: dict[str, int]) -> bool:
    """Whether an event with these sums by kind of account pays experts or the platform."""
    return bool(sum(legs.get(kind, 0) for kind in _PAY) or legs.get("fee_income", 0))
