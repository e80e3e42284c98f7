"""What counts of an approved entry: its seconds after all corrections, what they are worth, what was taken back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.durations import in_words
from core.money import Money, fee_for, pay_for, share
from core.problems import Conflict, FieldError, InvalidInput
from payments.models import Adjustment, Dispute, TimeEntry
from payments.operations.hours import settlement
from payments.operations.pay import postings
from payments.operations.pay.postings import ApprovedTime


class PayIsContested(Conflict):
    """The lab disputes this pay, and nobody has decided yet: until then it is neither corrected nor taken back.

    `dispute` names it.
    """

    code = "pay_is_contested"
    title = gettext_lazy("This pay is being contested")
    example_members: ClassVar[Mapping[str, Any]] = {"dispute": "dsp_01k9w3v6z8f2qr5t4h7xnm0ceg"}


@dataclass(frozen=True, slots=True)
class Recount:
    """Other seconds for an approved entry: what it posts ``before`` and ``after``, priced at its own frozen terms.

    ``seconds``, ``gross_minor`` and ``fee_minor`` are what changes, negative where the expert loses.
    """

    entry: TimeEntry
    seconds: int
    before: ApprovedTime
    after: ApprovedTime

    @property
    def gross_minor(self) -> int:
        """What the expert gains."""
        return self.after.gross_minor - self.before.gross_minor

    @property
    def fee_minor(self) -> int:
        """What the platform gains."""
        return self.after.fee_minor - self.before.fee_minor


def recount(entry: TimeEntry, counted: int) -> Recount:
    """``counted`` seconds in place of those that count now. The entry's snapshot is joined."""
    former = counted_now(entry)
    return Recount(entry, counted - former, before=priced(entry, former), after=priced(entry, counted))


def recount_of_cut(entry: TimeEntry, seconds: int) -> Recount:
    """An entry that was settled after ``seconds`` were cut from it, beside what it would have posted with them."""
    full = priced(entry, entry.seconds + seconds)
    return Recount(entry, -seconds, before=full, after=settlement.approved_time(entry))


def counted_now(entry: TimeEntry) -> int:
    """Seconds of an entry that count after all its posted corrections; only settled ones have any."""
    posted = entry.adjustments.filter(kind=Adjustment.Kind.CORRECTION, status=Adjustment.Status.POSTED)
    return entry.seconds + sum(posted.values_list("seconds", flat=True))


def counted_without(entry: TimeEntry, undone: Collection[int]) -> int:
    """Seconds that would count had the corrections with these ids never taken anything, all others standing.

    A later correction that gave hours says how many count at least, so what somebody has put right by hand already is not
    given twice. Never less than counts now, never more than the entry holds.
    """
    rows = list(entry.adjustments.filter(kind=Adjustment.Kind.CORRECTION).order_by("pk"))
    cuts = [row for row in rows if row.status == Adjustment.Status.RECORDED and row.pk in undone]
    stood = entry.seconds
    without = stood - sum(row.seconds for row in cuts)  # the entry itself carries what was cut before it was posted
    for row in rows:
        if row.status == Adjustment.Status.POSTED:
            stood += row.seconds
            if row.seconds > 0:
                without = max(without, stood)
            elif row.pk not in undone:
                without += row.seconds
    return min(without, measured(entry))


def priced(entry: TimeEntry, seconds: int) -> ApprovedTime:
    """What the entry posts with so many seconds, at its own frozen terms. Its snapshot is joined."""
    frozen = settlement.approved_time(entry)
    gross = pay_for(seconds, entry.rate_minor or 0)
    released = postings.is_holdback_released(frozen.source_id)
    return replace(
        frozen,
        gross_minor=gross,
        fee_minor=fee_for(gross, entry.fee_bp or 0),
        holdback_minor=0 if released else share(gross, entry.snapshot.holdback_bp),
    )


def taken_back(entry: TimeEntry) -> int:
    """Minor units of the entry's pay that clawbacks took and nobody gave back."""
    mine = Q(entry=entry.pk, kind=Adjustment.Kind.CLAWBACK)
    given_back = Q(takes_back__entry=entry.pk, kind=Adjustment.Kind.REINSTATEMENT)
    rows = Adjustment.objects.filter(mine | given_back, expert=entry.expert_id)
    return -sum(rows.values_list("amount_minor", flat=True))


def refuse_contested(entry: TimeEntry) -> None:
    """Raise PayIsContested while a dispute about the entry is undecided."""
    dispute = Dispute.objects.undecided().filter(entry=entry.pk).first()
    if dispute is not None:
        raise PayIsContested(dispute=dispute.public_id)


def require_within(entry: TimeEntry, counted: int) -> None:
    """Raise InvalidInput for more seconds than the entry holds."""
    if not 0 <= counted <= measured(entry):
        detail = _("The entry lasted %(time)s.") % {"time": in_words(measured(entry))}
        raise InvalidInput(detail, errors=[FieldError("/counted", "out_of_range", detail)])


def require_above_taken(entry: TimeEntry, after: ApprovedTime, *, pointer: str) -> None:
    """Raise InvalidInput at ``pointer`` when fewer hours took away again what clawbacks took already."""
    taken = taken_back(entry)
    if after.gross_minor < taken:
        detail = _("%(amount)s of it was taken back already.") % {"amount": Money(taken, entry.currency)}
        raise InvalidInput(detail, errors=[FieldError(pointer, "taken_back_already", detail)])


def measured(entry: TimeEntry) -> int:
    """Everything the entry holds that could count."""
    return entry.seconds + entry.disallowed_seconds + entry.unconfirmed_seconds
