"""`/projects/{id}/openings`, `/openings/{id}`: seats, and their way from draft to closed."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import (
    CountryField,
    DurationField,
    ExternalIdField,
    LanguageField,
    MetadataField,
    StrictCharField,
    StrictIntegerField,
)
from core.api.filters import CreatedFilters
from core.api.lookup import get_or_404
from core.api.types import (
    Doc,
    Duration,
    Example,
    ExternalId,
    IdOf,
    Metadata,
    RateOut,
    Timestamp,
    render_duration,
    render_rate,
)
from core.api.views import LabView
from core.money import Money
from core.problems import FieldError, InvalidInput, InvalidTransition
from experts.public import Expert
from marketplace.api.filters import narrowed
from marketplace.api.projects import ProjectId, projects_of
from marketplace.api.terms import HourlyRateField
from marketplace.eligibility import RequirementOut, render_requirement
from marketplace.matching import DEGREES
from marketplace.models import Opening
from marketplace.operations import closing, openings
from marketplace.operations.openings import NotHiring, OpeningFull
from marketplace.operations.projects import ExternalIdTaken
from marketplace.operations.rate_cards import RateMissing

OpeningId = Annotated[str, IdOf("opn")]
WEEK_SECONDS, DAY_SECONDS = 168 * 3600, 24 * 3600

EXAMPLE = {
    "title": "Cardiologist for rubrics",
    "seats": 5,
    "requirement": {
        "domain": "medicine.cardiology",
        "min_level": 3,
        "min_years": 5,
        "degree": "doctorate",
        "licences": [{"kind": "medical", "jurisdiction": "US"}],
        "languages": ["en"],
        "countries": {"block": ["KP"]},
    },
    "tier": "expert",
    "weekly_cap": "PT10H",
    "daily_cap": "PT3H30M",
    "rate_ceiling": {"amount": "150.00", "currency": "USD", "per": "hour"},
}


class OpeningOut(TypedDict):
    """Seats in a project."""

    id: OpeningId
    project: ProjectId
    title: Annotated[str, Example("Cardiologist for rubrics")]
    description: Annotated[str, Doc("Markdown, shown on the board.")]
    status: Annotated[str, Doc("draft, open, paused, filled or closed."), Example("open")]
    seats: Annotated[int, Example(5)]
    seats_taken: Annotated[int, Example(2)]
    requirement: RequirementOut
    tier: Annotated[str, Doc("Of the work: it decides the rate, and the lowest tier of an expert."), Example("expert")]
    work_type: Annotated[str | None, Doc("A task type with rates of its own."), Example(None)]
    weekly_cap: Annotated[Duration, Example("PT10H")]
    daily_cap: Annotated[Duration | None, Example("PT3H30M")]
    rate_ceiling: RateOut | None
    external_id: ExternalId
    metadata: Metadata
    created_at: Timestamp


class LicenceIn(serializers.Serializer[None]):
    """A licence somebody must hold."""

    kind = StrictCharField(max_length=40)
    jurisdiction = StrictCharField(max_length=10, required=False, allow_null=True, default=None)


class CountriesIn(serializers.Serializer[None]):
    """Where somebody must, or must not, live."""

    allow = serializers.ListField(child=CountryField(), required=False, allow_null=True, max_length=250)
    block = serializers.ListField(child=CountryField(), required=False, max_length=250)


class RequirementIn(serializers.Serializer[None]):
    """What is asked of an expert; only `domain` has to be given."""

    domain = StrictCharField(max_length=80)
    min_level = StrictIntegerField(required=False, min_value=0, max_value=5)
    min_years = StrictIntegerField(required=False, min_value=0, max_value=60)
    degree = serializers.ChoiceField(choices=[(degree, degree) for degree in DEGREES], required=False)
    licences = serializers.ListField(child=LicenceIn(), required=False, max_length=10)
    languages = serializers.ListField(child=LanguageField(), required=False, max_length=20)
    countries = CountriesIn(required=False)
    qualifications = serializers.ListField(child=StrictCharField(max_length=100), required=False, max_length=20)
    hours_week = StrictIntegerField(required=False, min_value=0, max_value=168)


class WorkTypeField(serializers.CharField):
    """A name that rate cards price, such as rubric_authoring."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=60, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """The name."""
        text = super().to_internal_value(data)
        if not text.replace("_", "").isalnum() or not text.isascii() or text != text.lower():
            raise serializers.ValidationError(_("A work type looks like rubric_authoring."), code="work_type")
        return text


class OpeningIn(serializers.Serializer[None]):
    """An opening to make, or what to change of it."""

    title = StrictCharField(max_length=200)
    description = StrictCharField(max_length=20_000, required=False, allow_blank=True)
    seats = StrictIntegerField(min_value=1, max_value=100_000)
    requirement = RequirementIn()
    tier = serializers.ChoiceField(choices=Expert.Tier.choices)
    work_type = WorkTypeField(required=False, allow_blank=True)
    weekly_cap = DurationField(min_seconds=60, max_seconds=WEEK_SECONDS)
    daily_cap = DurationField(required=False, allow_null=True, min_seconds=60, max_seconds=DAY_SECONDS)
    rate_ceiling = HourlyRateField(required=False, allow_null=True)
    external_id = ExternalIdField()
    metadata = MetadataField()


class OpeningFilters(CreatedFilters):
    """Which openings."""

    status = serializers.ChoiceField(choices=Opening.Status.choices, required=False)
    external_id = serializers.CharField(required=False, max_length=255)


def openings_of(call: Call) -> QuerySet[Opening]:
    """The lab's openings with what a row shows."""
    rows = Opening.objects.visible_to(call.principal)
    return rows.select_related("project", "tenant", "requirement__domain")


def columns(body: dict[str, Any], currency: str) -> dict[str, Any]:
    """The body's members as columns; a ceiling is in the project's currency. Raises InvalidInput."""
    fields = {name: value for name, value in body.items() if name not in {"weekly_cap", "daily_cap", "rate_ceiling"}}
    fields |= {f"{name}_seconds": body[name] for name in ("weekly_cap", "daily_cap") if name in body}
    if "rate_ceiling" in body:
        ceiling: Money | None = body["rate_ceiling"]
        if ceiling is not None and ceiling.currency != currency:
            detail = _("The ceiling is in the project's currency.")
            raise InvalidInput(errors=[FieldError("/rate_ceiling/currency", "currency_mismatch", detail)])
        fields["rate_ceiling_minor"] = ceiling.minor if ceiling is not None else None
    return fields


def render_opening(opening: Opening) -> OpeningOut:
    """One opening."""
    daily, ceiling = opening.daily_cap_seconds, opening.rate_ceiling_minor
    return {
        "id": opening.public_id,
        "project": opening.project.public_id,
        "title": opening.title,
        "description": opening.description,
        "status": opening.status,
        "seats": opening.seats,
        "seats_taken": opening.seats_taken,
        "requirement": render_requirement(opening.requirement),
        "tier": opening.tier,
        "work_type": opening.work_type or None,
        "weekly_cap": render_duration(opening.weekly_cap_seconds),
        "daily_cap": render_duration(daily) if daily is not None else None,
        "rate_ceiling": render_rate(Money(ceiling, opening.project.currency)) if ceiling is not None else None,
        "external_id": opening.external_id or None,
        "metadata": opening.metadata,
        "created_at": opening.created_at,
    }


class OpeningList(LabView):
    """Openings of one project."""

    @endpoint(
        summary="List a project's openings",
        scope="openings:read",
        query=OpeningFilters,
        returns=OpeningOut,
        paginated=True,
        render=render_opening,
    )
    def get(self, call: Call, project_id: str) -> QuerySet[Opening]:
        """Newest first."""
        project = get_or_404(projects_of(call), project_id)
        rows = openings_of(call).filter(project=project)
        return narrowed(rows, call.query, status="status", external_id="external_id")

    @endpoint(
        summary="Create an opening",
        scope="openings:write",
        body=OpeningIn,
        returns=OpeningOut,
        status=201,
        errors=[NotHiring, RateMissing, ExternalIdTaken],
        example=EXAMPLE,
    )
    def post(self, call: Call, project_id: str) -> OpeningOut:
        """As a draft; it appears on the experts' board once it is opened."""
        project = get_or_404(projects_of(call), project_id)
        return render_opening(openings.create(project=project, now=call.now, **columns(call.body, project.currency)))


class OpeningDetail(LabView):
    """One opening."""

    @endpoint(summary="Show an opening", scope="openings:read", returns=OpeningOut)
    def get(self, call: Call, opening_id: str) -> OpeningOut:
        """One opening of the lab."""
        return render_opening(get_or_404(openings_of(call), opening_id))

    @endpoint(
        summary="Change an opening",
        scope="openings:write",
        body=OpeningIn,
        returns=OpeningOut,
        errors=[NotHiring, RateMissing, ExternalIdTaken],
        example={"seats": 8},
    )
    def patch(self, call: Call, opening_id: str) -> OpeningOut:
        """The members that are given; a requirement is replaced as a whole. Offers that are out keep their terms."""
        opening = get_or_404(openings_of(call), opening_id)
        fields = columns(call.body, opening.project.currency)
        return render_opening(openings.update(opening=opening, now=call.now, **fields))


class OpeningOpen(LabView):
    """Take people."""

    @endpoint(
        summary="Open an opening",
        scope="openings:write",
        returns=OpeningOut,
        errors=[InvalidTransition, NotHiring, OpeningFull, RateMissing],
    )
    def post(self, call: Call, opening_id: str) -> OpeningOut:
        """From draft or after a pause: it is on the board, applications and offers can come."""
        return render_opening(openings.open_(opening=get_or_404(openings_of(call), opening_id), now=call.now))


class OpeningPause(LabView):
    """Take nobody for a while."""

    @endpoint(summary="Pause an opening", scope="openings:write", returns=OpeningOut, errors=[InvalidTransition])
    def post(self, call: Call, opening_id: str) -> OpeningOut:
        """Off the board; offers that are out cannot be accepted meanwhile."""
        return render_opening(openings.pause(opening=get_or_404(openings_of(call), opening_id), now=call.now))


class OpeningClose(LabView):
    """Take nobody any more."""

    @endpoint(summary="Close an opening", scope="openings:write", returns=OpeningOut, errors=[InvalidTransition])
    def post(self, call: Call, opening_id: str) -> OpeningOut:
        """For good: offers that are out are withdrawn, contracts go on."""
        return render_opening(closing.close_opening(opening=get_or_404(openings_of(call), opening_id), now=call.now))
