"""Openings, applications, rankings and offers."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from core import clock
from core.desk import CadreAdmin, ReadOnlyInline, confirmed, register_queue, staff
from core.money import Money
from marketplace import rates
from marketplace.models import Application, Match, Offer, OfferDocument, Opening, OpeningListing, Requirement
from marketplace.operations import applications, closing, offers, openings

DECIDE = "marketplace.decide_application"
RUN = "marketplace.run_opening"
REASONS = [
    ("requirements_not_met", _("requirements not met")),
    ("stronger_candidates", _("others were stronger")),
    ("seats_filled", _("the seats are filled")),
    ("incomplete", _("incomplete")),
    ("other", _("other")),
]


class RequirementInline(ReadOnlyInline):
    """What is asked."""

    model = Requirement
    fields = ("domain", "min_level", "min_years", "degree", "languages", "licences", "qualifications", "hours_week")


class MatchInline(ReadOnlyInline):
    """The last ranking."""

    model = Match
    fields = ("rank", "expert", "lab_expert", "score", "margin", "components", "matched_at")
    ordering = ("rank",)


@admin.register(Opening)
class OpeningAdmin(CadreAdmin):
    """Seats of all labs."""

    list_display = ("title", "project", "tenant", "status", "seats_taken", "seats", "tier", "created_at")
    list_filter = ("status", "tier")
    search_fields = ("public_id", "title", "project__name", "tenant__name")
    list_select_related = ("project", "tenant")
    inlines = (RequirementInline, MatchInline)
    actions = ("open", "pause", "close")

    @confirmed(
        description=_("Open"), effect=_("Experts can apply, and offers can be made, from now on."), permission=RUN
    )
    def open(self, request: HttpRequest, opening: Opening) -> None:
        """Take people."""
        openings.open_(opening=opening, now=clock.now())

    @confirmed(
        description=_("Pause"),
        effect=_("Nobody is taken for a while; offers that are out cannot be accepted meanwhile."),
        permission=RUN,
    )
    def pause(self, request: HttpRequest, opening: Opening) -> None:
        """Take nobody for a while."""
        openings.pause(opening=opening, now=clock.now())

    @confirmed(
        description=_("Close, withdrawing offers"),
        effect=_(
            "Nobody is taken any more. Offers that are out are withdrawn, and their experts are told; contracts go on."
        ),
        permission=RUN,
    )
    def close(self, request: HttpRequest, opening: Opening) -> None:
        """Take nobody any more."""
        closing.close_opening(opening=opening, now=clock.now())


@admin.register(OpeningListing)
class OpeningListingAdmin(CadreAdmin):
    """The board, as experts see it."""

    list_display = ("title", "lab_alias", "tier", "domain", "opened_at")
    list_filter = ("tier",)
    search_fields = ("opening_public_id", "title", "lab_alias")


@admin.register(Application)
class ApplicationAdmin(CadreAdmin):
    """Who waits for an answer; oldest first."""

    list_display = ("expert", "opening", "tenant", "status", "submitted_at", "decided_at")
    list_filter = ("status",)
    search_fields = ("public_id", "expert__legal_name", "expert__public_id", "opening__title", "tenant__name")
    list_select_related = ("expert", "opening", "tenant")
    ordering = ("submitted_at",)
    actions = ("review", "waitlist", "offer", "reject")

    @confirmed(
        description=_("Take into review"),
        effect=_("The expert sees that somebody looks at the application."),
        permission=DECIDE,
    )
    def review(self, request: HttpRequest, application: Application) -> None:
        """The expert sees that somebody looks at it."""
        applications.start_review(application=application, now=clock.now())

    @confirmed(
        description=_("Waitlist"),
        effect=_("The application is kept for when a seat comes free, and the expert is told."),
        permission=DECIDE,
    )
    def waitlist(self, request: HttpRequest, application: Application) -> None:
        """Keep it for later."""
        applications.waitlist(application=application, now=clock.now())

    @confirmed(
        description=_("Extend an offer"),
        effect=_(
            "The expert gets an offer at the card's rate and the lab's terms. Accepting it sets the lab's money aside."
        ),
        permission=DECIDE,
    )
    def offer(self, request: HttpRequest, application: Application) -> None:
        """At the card's rate and the lab's terms."""
        offers.extend(
            opening=openings.lock(application.opening),
            lab_expert=application.lab_expert,
            application=application,
            now=clock.now(),
        )

    @confirmed(
        description=_("Reject"),
        effect=_("The application is turned down. The expert is told the reason and may contest it."),
        which=_("Ground"),
        permission=DECIDE,
        reason=True,
        choices=lambda: REASONS,
    )
    def reject(self, request: HttpRequest, application: Application, *, reason: str, choice: str) -> None:
        """As a decision that can be contested."""
        applications.reject(
            application=application,
            decided_by=staff(request),
            reason_code=choice,
            explanation=reason,
            now=clock.now(),
        )


class DocumentInline(ReadOnlyInline):
    """What has to be signed."""

    model = OfferDocument
    fields = ("agreement_version",)


def reserve_of(offer: Offer) -> Money:
    """What accepting it sets aside of the lab's balance."""
    minor = rates.reservation_for(
        weekly_cap_seconds=offer.weekly_cap_seconds, rate_minor=offer.rate_minor, fee_bp=offer.fee_bp
    )
    return Money(minor, offer.currency)


@admin.register(Offer)
class OfferAdmin(CadreAdmin):
    """Offers of all labs."""

    list_display = ("public_id", "expert", "opening", "tenant", "status", "rate", "expires_at", "decided_at")
    list_filter = ("status", "currency")
    search_fields = ("public_id", "expert__legal_name", "expert__public_id", "opening__title", "tenant__name")
    list_select_related = ("expert", "opening", "tenant")
    inlines = (DocumentInline,)
    actions = ("withdraw",)

    @confirmed(
        description=_("Withdraw"),
        effect=_(
            "The offer can no longer be accepted, and the expert is told. The amount here is what accepting it would "
            "have set aside."
        ),
        permission="marketplace.withdraw_offer",
        amount=reserve_of,
    )
    def withdraw(self, request: HttpRequest, offer: Offer) -> None:
        """Before it is accepted."""
        offers.withdraw(offer=offer, now=clock.now())


register_queue(
    name="marketplace.applications",
    label=_("Applications to answer"),
    path="/admin/marketplace/application/?status__in=submitted,in_review",
    permission=DECIDE,
    waiting=lambda: Application.objects.undecided(),  # noqa: PLW0108  # the manager is bound when the page is drawn
    since="submitted_at",
)
