"""Offers: put a seat with all its terms before an expert, and take it back or let it run out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import outbox, states
from core.problems import Conflict, map_constraint
from core.public import Principal
from core.sweeps import sweep
from experts.public import AgreementVersion, Expert, current_versions, send_notice
from marketplace import documents, rates
from marketplace.models import Application, Lab, LabExpert, Offer, OfferDocument, Opening
from marketplace.operations import applications, board, constraints, openings, pseudonyms, rate_cards

STANDS_FOR = dt.timedelta(days=7)
SHORTEST, LONGEST = dt.timedelta(minutes=1), dt.timedelta(days=60)


class OfferStands(Conflict):
    """The expert has an offer for this opening that is open, or holds a seat in it. Withdraw the offer first, or wait."""

    code = "offer_stands"
    title = gettext_lazy("There is an offer already")


map_constraint("marketplace_offer_once", OfferStands)
map_constraint("marketplace_contract_once", OfferStands)


@transaction.atomic
def extend(
    *,
    opening: Opening,
    lab_expert: LabExpert,
    now: dt.datetime,
    application: Application | None = None,
    stands_for: dt.timedelta = STANDS_FOR,
    message: str = "",
    is_wanted_back: bool = False,
) -> Offer:
    """Offer a seat at the card's rate, with the terms of the lab and the project as they are now.

    More offers than seats may be out: whoever accepts first has the seat. ``is_wanted_back`` is an expert who contested
    the end of his contract. Raises NotHiring, OpeningFull, NotEligible, RateMissing, OfferStands.
    """
    expert = lab_expert.expert
    priced = _priced(opening, expert, is_asking=is_wanted_back or application is not None, now=now)
    pseudonyms.admit(expert=expert, tenant_id=opening.tenant_id)
    offer = Offer.objects.create(
        tenant_id=opening.tenant_id,
        opening=opening,
        application=application,
        expert=expert,
        lab_expert=lab_expert,
        rate_minor=priced.amount_minor,
        card_version=priced.card,
        currency=opening.project.currency,
        message=message,
        extended_at=now,
        expires_at=now + stands_for,
        **_terms(opening),
    )
    _attach(offer, current_versions(documents.TO_SIGN, tenant_id=opening.tenant_id))
    if application is not None:
        _mark_offered(application)
    _invite(offer, now=now)
    return offer


def _priced(opening: Opening, expert: Expert, *, is_asking: bool, now: dt.datetime) -> rate_cards.Priced:
    """What the card pays the expert, once nothing stands in the way of an offer."""
    openings.require_hiring(opening)
    if opening.contracts.living().filter(expert=expert).exists():
        raise OfferStands
    priced = rate_cards.priced_by_band(opening=opening, now=now)[rates.band_of(expert.country)]
    constraints.require_candidate(
        opening=opening, expert=expert, rate_minor=priced.amount_minor, is_asking=is_asking, now=now
    )
    return priced


@transaction.atomic
def extend_all(
    *,
    opening: Opening,
    candidates: Sequence[LabExpert],
    accepted: Sequence[Application],
    now: dt.datetime,
    stands_for: dt.timedelta = STANDS_FOR,
    message: str = "",
) -> list[Offer]:
    """Offers to candidates and to applicants, all or none."""
    to = [(candidate, None) for candidate in candidates] + [(row.lab_expert, row) for row in accepted]
    return [
        extend(
            opening=opening,
            lab_expert=lab_expert,
            application=application,
            stands_for=stands_for,
            message=message,
            now=now,
        )
        for lab_expert, application in to
    ]


def _terms(opening: Opening) -> dict[str, object]:
    lab = Lab.objects.get(tenant_id=opening.tenant_id)
    terms = board.terms(opening=opening, lab=lab)
    return {**{name: value for name, value in terms.items() if name != "ai_assistance"}, "fee_bp": lab.fee_bp}


def _attach(offer: Offer, versions: Sequence[AgreementVersion]) -> None:
    OfferDocument.objects.bulk_create(
        OfferDocument(tenant_id=offer.tenant_id, offer=offer, agreement_version=version) for version in versions
    )


def _mark_offered(application: Application) -> None:
    locked = applications.lock(application)
    states.move(locked, Application.Status.OFFERED)
    locked.save(update_fields=["status"])


def _invite(offer: Offer, *, now: dt.datetime) -> None:
    send_notice(
        expert=offer.expert,
        kind="offer.extended",
        subject=offer.public_id,
        title=_("An offer: %(title)s") % {"title": offer.opening.title},
        body=_("It stands until %(day)s. Read the terms and the documents before you sign.")
        % {"day": offer.expires_at.date().isoformat()},
        link=f"/api/v1/expert/offers/{offer.public_id}",
        now=now,
    )
    tell(offer, "extended", now=now)


@transaction.atomic
def withdraw(*, offer: Offer, now: dt.datetime) -> Offer:
    """Take back an offer that nobody accepted yet. Raises InvalidTransition."""
    locked = settle(lock(offer), Offer.Status.WITHDRAWN, now=now)
    send_notice(
        expert=locked.expert,
        kind="offer.withdrawn",
        subject=locked.public_id,
        title=_("An offer was withdrawn: %(title)s") % {"title": locked.opening.title},
        now=now,
    )
    return locked


@transaction.atomic
def decline(*, offer: Offer, now: dt.datetime) -> Offer:
    """The expert does not want it; an application behind it is withdrawn with it. Raises InvalidTransition."""
    locked = settle(lock(offer), Offer.Status.DECLINED, now=now)
    if locked.application is not None and locked.application.status == Application.Status.OFFERED:
        applications.withdraw(application=locked.application, now=now)
    return locked


def expire_due(*, now: dt.datetime, after: int = 0) -> int:
    """Expire the offers whose time is over; those somebody is accepting this moment are left to him."""
    due = Offer.objects.filter(status=Offer.Status.EXTENDED, expires_at__lte=now)

    def expire(pk: int) -> bool:
        free = due.filter(pk=pk).select_for_update(no_key=True, of=("self",), skip_locked=True)
        offer = free.select_related(*_READ).first()
        if offer is None:
            return False
        settle(offer, Offer.Status.EXPIRED, now=now)
        if offer.application is not None and offer.application.status == Application.Status.OFFERED:
            applications.reinstate(application=offer.application, now=now)
        return True

    return sweep(by=EXPIRER, due=due, step=expire, after=after)


EXPIRER = Principal.system("marketplace.expire_offers")
_READ = ("expert", "application", "opening__project", "opening__tenant", "opening__requirement__domain", "lab_expert")


def lock(offer: Offer) -> Offer:
    """The offer's row, locked; after its project and before its opening."""
    return Offer.objects.select_for_update(no_key=True, of=("self",)).select_related(*_READ).get(pk=offer.pk)


def settle(offer: Offer, to: str, *, now: dt.datetime) -> Offer:
    """Give a locked offer its last state, and tell."""
    states.move(offer, to)
    offer.decided_at = now
    offer.save(update_fields=["status", "decided_at"])
    tell(offer, str(to), now=now)
    return offer


def tell(offer: Offer, news: str, *, now: dt.datetime) -> None:
    """Publish what became of an offer, to the lab and the expert."""
    outbox.publish(
        f"offer.{news}",
        subject=offer.public_id,
        tenant_id=offer.tenant_id,
        user_id=offer.expert.user_id,
        payload={"opening": offer.opening.public_id},
        now=now,
    )
