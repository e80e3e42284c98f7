"""One amount, recomputable by hand: segments, rounding, terms, fee, holdback."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from django.db.models import Q, Sum

from core import scope
from core.money import SECONDS_PER_HOUR, divide_half_up, fee_for, pay_for, share
from payments import exchange
from payments.models import (
    Adjustment,
    Dispute,
    FxExchange,
    JournalEntry,
    Payout,
    PlatformPay,
    Posting,
    Referral,
    TimeEntry,
)
from payments.queries import tax_in_force

NEIGHBOURS: Final = dt.timedelta(days=2)
_EXACT: Final = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Price:
    """How seconds became minor units. ``exact`` is the pay before it was rounded, to six decimals of a minor unit."""

    seconds: int
    rate_minor: int
    exact: str
    gross_minor: int
    fee_bp: int
    fee_minor: int
    holdback_bp: int
    holdback_minor: int


def price_of(entry: TimeEntry) -> Price:
    """The arithmetic of an entry: as it was settled, else as it would settle now. Its snapshot is joined."""
    terms = entry.snapshot
    rate = entry.rate_minor if entry.rate_minor is not None else terms.rate_minor
    fee_bp = entry.fee_bp if entry.fee_bp is not None else terms.fee_bp
    gross = pay_for(entry.seconds, rate)
    exact = (Decimal(entry.seconds * rate) / SECONDS_PER_HOUR).quantize(_EXACT)
    return Price(
        seconds=entry.seconds,
        rate_minor=rate,
        exact=f"{exact:f}",
        gross_minor=gross if entry.gross_minor is None else entry.gross_minor,
        fee_bp=fee_bp,
        fee_minor=fee_for(gross, fee_bp) if entry.fee_minor is None else entry.fee_minor,
        holdback_bp=terms.holdback_bp,
        holdback_minor=share(gross, terms.holdback_bp) if entry.holdback_minor is None else entry.holdback_minor,
    )


def exact_of(made: FxExchange) -> str:
    """What an exchange bought before it was rounded, in minor units to six decimals; its quote is joined."""
    quote = made.quote
    found = exchange.unrounded(made.sold, buy=quote.buy, rate=quote.rate, spread_bp=quote.spread_bp)
    millionths = divide_half_up(found.numerator * 10**6, found.denominator)
    return f"{millionths // 10**6}.{millionths % 10**6:06d}"


def segments_of(entry: TimeEntry) -> list[TimeEntry]:
    """The unbroken stretch of work that the entry was cut from, itself included, in order of time."""
    near = TimeEntry.objects.live().filter(
        expert=entry.expert_id,
        contract=entry.contract_id,
        activity=entry.activity,
        source=entry.source,
        claim=entry.claim_id,
        period__startswith__gte=entry.started_at - NEIGHBOURS,
        period__startswith__lte=entry.started_at + NEIGHBOURS,
    )
    ordered = sorted(near, key=lambda row: row.started_at)
    here = next((n for n, row in enumerate(ordered) if row.pk == entry.pk), None)
    if here is None:
        return [entry]
    first = last = here
    while first > 0 and ordered[first - 1].ended_at == ordered[first].started_at:
        first -= 1
    while last + 1 < len(ordered) and ordered[last].ended_at == ordered[last + 1].started_at:
        last += 1
    return ordered[first : last + 1]


def adjustments_of(entry: TimeEntry) -> list[Adjustment]:
    """What changed the entry's hours or pay, and what gave it back, in order."""
    of_it = Adjustment.objects.filter(Q(entry=entry.pk) | Q(takes_back__entry=entry.pk))
    return list(of_it.select_related("entry", "takes_back").order_by("pk"))


def changes_of(source: Adjustment | PlatformPay) -> list[Adjustment] | list[PlatformPay]:
    """What took pay beside the hours back, and what gave that back, in order."""
    since = Q(takes_back=source.pk) | Q(takes_back__takes_back=source.pk)
    if isinstance(source, PlatformPay):
        return list(PlatformPay.objects.filter(since).select_related("takes_back").order_by("pk"))
    return list(Adjustment.objects.filter(since).select_related("entry", "takes_back").order_by("pk"))


@dataclass(frozen=True, slots=True)
class Contested:
    """What a dispute about approved hours could set aside. Minor units; ``owed_then`` is None where it set nothing."""

    holdback_bp: int
    minor: int
    owed_then: int | None
    correction: str


def contested_by(dispute: Dispute) -> Contested:
    """The arithmetic of a dispute; its entry with the snapshot is joined."""
    entry = dispute.entry
    with scope.as_platform():
        released = JournalEntry.objects.filter(
            kind="holdback_released", source_id=entry.public_id, created_at__lte=dispute.created_at
        ).exists()
    holdback_bp = 0 if released else entry.snapshot.holdback_bp

    def here(seconds: int) -> int:
        gross = pay_for(seconds, entry.snapshot.rate_minor if entry.rate_minor is None else entry.rate_minor)
        return gross - share(gross, holdback_bp)

    decided = Q(decided_at=dispute.decided_at) if dispute.decided_at else Q(pk=None)
    taken = entry.adjustments.filter(decided, kind=Adjustment.Kind.CORRECTION)
    return Contested(
        holdback_bp=holdback_bp,
        minor=here(dispute.claimed(entry)) - here(dispute.proposed_seconds),
        owed_then=balance_before(kind="dispute_opened", source=dispute.public_id, expert_id=dispute.expert_id),
        correction=taken.values_list("public_id", flat=True).first() or "",
    )


def balance_before(*, kind: str, source: str, expert_id: int) -> int | None:
    """What the expert was owed, in minor units, when an event was posted; None when it never was."""
    with scope.as_platform():
        legs = Posting.objects.filter(account__kind="expert_payable", account__expert=expert_id)
        leg = legs.filter(entry__kind=kind, entry__source_id=source).first()
        if leg is None:
            return None
        before = legs.filter(account=leg.account_id, entry_id__lt=leg.entry_id).aggregate(total=Sum("amount"))
    return int(before["total"] or 0)


def referral_behind(pay: PlatformPay) -> Referral | None:
    """The referral that a bonus was paid for."""
    return Referral.objects.filter(pay=pay.pk).first()


def withholding_of(payout: Payout) -> int:
    """The basis points that a payout's run withheld: those of the tax papers that it was calculated from."""
    papers = tax_in_force.at_calculation(payout)
    return papers.withholding_bp if papers else 0
