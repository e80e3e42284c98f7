"""Publish rate cards, and find what an hour costs: the lab's own card first, then the platform's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Max
from django.utils.translation import gettext_lazy as _

from core.problems import Conflict
from core.public import Tenant
from marketplace import rates
from marketplace.models import Opening, Rate, RateCard


class RateMissing(Conflict):
    """No rate card prices this work.

    Neither the lab's own card nor the platform's has a line for the tier, domain, work type and currency at this
    instant. Choose another tier or currency, or ask the platform to publish a card.
    """

    code = "rate_missing"
    title = _("No rate card prices this work")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a card to be published; an empty domain, work type or band means any."""

    tier: str
    amount_minor: int
    currency: str
    domain: str = ""
    work_type: str = ""
    band: str = ""
    unit: str = "hour"


@dataclass(frozen=True, slots=True)
class Priced:
    """Minor units for one hour, and the card that says so."""

    amount_minor: int
    card: str


@transaction.atomic
def publish(
    *, title: str, lines: Sequence[Line], valid_from: dt.datetime, now: dt.datetime, tenant: Tenant | None = None
) -> RateCard:
    """Publish the next version of the platform's card, or of the card agreed with one lab. It never changes again."""
    last = RateCard.objects.filter(tenant=tenant).aggregate(last=Max("version"))["last"] or 0
    card = RateCard.objects.create(tenant=tenant, version=last + 1, title=title, published_at=now)
    Rate.objects.bulk_create(
        Rate(
            card=card,
            domain=line.domain,
            tier=line.tier,
            work_type=line.work_type,
            band=line.band,
            unit=line.unit,
            amount_minor=line.amount_minor,
            currency=line.currency,
            valid=DateTimeTZRange(valid_from, None),
        )
        for line in lines
    )
    return card


def rates_by_band(*, opening: Opening, now: dt.datetime) -> dict[str, int]:
    """Minor units an hour in each location band. Raises RateMissing."""
    return {band: priced.amount_minor for band, priced in priced_by_band(opening=opening, now=now).items()}


def priced_by_band(*, opening: Opening, now: dt.datetime) -> dict[str, Priced]:
    """What an hour of this opening costs in each location band, and by which card. Raises RateMissing."""
    cards = list(_cards(opening, now=now))
    return {band: _price(opening, cards, band=band, now=now) for band in rates.LOCATION_BANDS}


def _cards(
    opening: Opening, *, now: dt.datetime
) -> Iterator[tuple[RateCard, list[rates.RateRow], list[rates.RateRow]]]:
    """The cards to ask in order, each with the rows for the work type and those for any."""
    tenant = opening.tenant
    owner = tenant.live_id or tenant.pk  # a sandbox calculates with the lab's real card
    published = RateCard.objects.filter(published_at__lte=now).order_by("-version")
    for card in (published.filter(tenant_id=owner).first(), published.filter(tenant=None).first()):
        if card is not None:
            named, general = _rows(card, opening, opening.work_type), _rows(card, opening, "")
            yield card, named if opening.work_type else [], general


def _rows(card: RateCard, opening: Opening, work_type: str) -> list[rates.RateRow]:
    lines = card.rates.filter(
        tier=opening.tier, currency=opening.project.currency, unit=Rate.Unit.HOUR, work_type=work_type
    )
    return [
        rates.RateRow(
            tier=line.tier,
            domain=line.domain or None,
            band=line.band or None,
            amount_minor=line.amount_minor,
            currency=line.currency,
            valid_from=line.valid.lower,
            valid_until=line.valid.upper,
        )
        for line in lines
    ]


def _price(
    opening: Opening,
    cards: Sequence[tuple[RateCard, list[rates.RateRow], list[rates.RateRow]]],
    *,
    band: str,
    now: dt.datetime,
) -> Priced:
    """The lab's card before the platform's, a named work type before any, the nearest branch of the taxonomy first."""
    for card, *tables in cards:
        for rows in tables:
            for domain in (*branches(opening.requirement.domain.code), None):
                named = [row for row in rows if row.domain == domain]
                try:
                    found = rates.look_up(named, tier=opening.tier, domain=domain or "", band=band, at=now)
                except rates.RateNotFound:
                    continue
                return Priced(found.amount_minor, f"{card.public_id} v{card.version}")
    raise RateMissing


def branches(code: str) -> list[str]:
    """The domain and everything above it, nearest first: medicine.cardiology, medicine."""
    parts = code.split(".")
    return [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
