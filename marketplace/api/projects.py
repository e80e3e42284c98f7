"""`/projects` and what a lab does with them."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from core.api.call import Accepted, Call
from core.api.endpoint import endpoint
from core.api.fields import (
    CurrencyField,
    ExternalIdField,
    MetadataField,
    MoneyField,
    StrictCharField,
    StrictIntegerField,
)
from core.api.filters import CreatedFilters
from core.api.lookup import get_or_404
from core.api.types import Currency, Doc, Example, ExternalId, IdOf, Metadata, MoneyOut, Timestamp, render_money
from core.api.views import LabView
from core.money import Money
from core.problems import FieldError, InvalidInput, InvalidTransition
from marketplace.api.filters import narrowed
from marketplace.api.terms import PaidActivityOut, PayPolicyIn, render_activities
from marketplace.models import Project
from marketplace.operations import projects
from marketplace.operations.projects import ExternalIdTaken, ProjectInUse

ProjectId = Annotated[str, IdOf("prj")]

EXAMPLE = {
    "name": "Cardiology rubrics",
    "alias": "Heart",
    "task_types": ["rubric_authoring", "rubric_grading"],
    "review_policy": "platform",
    "currency": "USD",
    "weekly_budget": {"amount": "20000.00", "currency": "USD"},
    "ai_assistance": "disclosed",
    "external_id": "R-17",
}


class ProjectOut(TypedDict):
    """A project."""

    id: ProjectId
    name: Annotated[str, Example("Cardiology rubrics")]
    alias: Annotated[str, Doc("What experts see."), Example("Heart")]
    status: Annotated[
        str,
        Doc("draft, calibration, active, paused, winding_down, completed or cancelled."),
        Example("active"),
    ]
    task_types: Annotated[list[str], Example(["rubric_authoring"])]
    review_policy: Annotated[str, Doc("Who decides about work: platform, lab or both."), Example("platform")]
    currency: Currency
    weekly_budget: MoneyOut | None
    ai_assistance: Annotated[str, Doc("forbidden, disclosed or allowed."), Example("disclosed")]
    overlap: Annotated[int, Doc("How many experts do each task, unless a batch says otherwise."), Example(1)]
    paid_activities: list[PaidActivityOut]
    external_id: ExternalId
    metadata: Metadata
    created_at: Timestamp


class ProjectIn(serializers.Serializer[None]):
    """A project to make, or what to change of it."""

    name = StrictCharField(max_length=200)
    alias = StrictCharField(max_length=200, required=False)
    task_types = serializers.ListField(
        child=StrictCharField(max_length=60), min_length=1, max_length=20, allow_empty=False
    )
    review_policy = serializers.ChoiceField(choices=Project.ReviewPolicy.choices)
    currency = CurrencyField()
    weekly_budget = MoneyField(required=False, allow_null=True)
    ai_assistance = serializers.ChoiceField(choices=Project.AiAssistance.choices)
    overlap = StrictIntegerField(required=False, min_value=1, max_value=3)
    pay_policy = PayPolicyIn(required=False)
    external_id = ExternalIdField()
    metadata = MetadataField()


class LaunchIn(serializers.Serializer[None]):
    """How to begin."""

    calibration = serializers.BooleanField(required=False, default=False)


class ProjectFilters(CreatedFilters):
    """Which projects."""

    status = serializers.ChoiceField(choices=Project.Status.choices, required=False)
    external_id = serializers.CharField(required=False, max_length=255)


def projects_of(call: Call) -> QuerySet[Project]:
    """The lab's projects."""
    return Project.objects.visible_to(call.principal)


def columns(body: dict[str, Any], currency: str) -> dict[str, Any]:
    """The body's members as columns; a budget is in the project's currency. Raises InvalidInput."""
    fields = dict(body)
    if "weekly_budget" in fields:
        budget: Money | None = fields.pop("weekly_budget")
        if budget is not None and budget.currency != currency:
            detail = _("The budget is in the project's currency.")
            raise InvalidInput(errors=[FieldError("/weekly_budget/currency", "currency_mismatch", detail)])
        fields["weekly_budget_minor"] = budget.minor if budget is not None else None
    return fields


def render_project(project: Project) -> ProjectOut:
    """One project."""
    budget = project.weekly_budget_minor
    return {
        "id": project.public_id,
        "name": project.name,
        "alias": project.alias,
        "status": project.status,
        "task_types": project.task_types,
        "review_policy": project.review_policy,
        "currency": project.currency,
        "weekly_budget": render_money(Money(budget, project.currency)) if budget is not None else None,
        "ai_assistance": project.ai_assistance,
        "overlap": project.overlap,
        "paid_activities": render_activities(project.pay_policy),
        "external_id": project.external_id or None,
        "metadata": project.metadata,
        "created_at": project.created_at,
    }


class ProjectList(LabView):
    """The lab's projects."""

    @endpoint(
        summary="List projects",
        scope="projects:read",
        query=ProjectFilters,
        returns=ProjectOut,
        paginated=True,
        render=render_project,
    )
    def get(self, call: Call) -> QuerySet[Project]:
        """Newest first."""
        return narrowed(projects_of(call), call.query, status="status", external_id="external_id")

    @endpoint(
        summary="Create a project",
        scope="projects:write",
        body=ProjectIn,
        returns=ProjectOut,
        status=201,
        errors=[ExternalIdTaken],
        example=EXAMPLE,
    )
    def post(self, call: Call) -> ProjectOut:
        """As a draft. Nothing happens before it is launched and an opening in it is opened."""
        fields = columns(call.body, call.body["currency"])
        tenant_id: Any = call.principal.tenant_id
        return render_project(projects.create(tenant_id=tenant_id, now=call.now, **fields))


class ProjectDetail(LabView):
    """One project."""

    @endpoint(summary="Show a project", scope="projects:read", returns=ProjectOut)
    def get(self, call: Call, project_id: str) -> ProjectOut:
        """One project of the lab."""
        return render_project(get_or_404(projects_of(call), project_id))

    @endpoint(
        summary="Change a project",
        scope="projects:write",
        body=ProjectIn,
        returns=ProjectOut,
        errors=[ExternalIdTaken],
        example={"name": "Cardiology rubrics, second round"},
    )
    def patch(self, call: Call, project_id: str) -> ProjectOut:
        """The members that are given. Offers that are out and contracts keep the terms they were made with."""
        project = get_or_404(projects_of(call), project_id)
        fields = columns(call.body, call.body.get("currency", project.currency))
        return render_project(projects.update(project=project, now=call.now, **fields))


class ProjectLaunch(LabView):
    """The beginning."""

    @endpoint(
        summary="Launch a project",
        scope="projects:write",
        body=LaunchIn,
        returns=ProjectOut,
        errors=[InvalidTransition],
        example={"calibration": False},
    )
    def post(self, call: Call, project_id: str) -> ProjectOut:
        """From draft, or from calibration; with `calibration` only calibration work begins."""
        project = get_or_404(projects_of(call), project_id)
        return render_project(projects.launch(project=project, now=call.now, **call.body))


class ProjectPause(LabView):
    """A break."""

    @endpoint(summary="Pause a project", scope="projects:write", returns=ProjectOut, errors=[InvalidTransition])
    def post(self, call: Call, project_id: str) -> ProjectOut:
        """No new claims; work in flight goes on and is paid."""
        return render_project(projects.pause(project=get_or_404(projects_of(call), project_id), now=call.now))


class ProjectResume(LabView):
    """The end of a break."""

    @endpoint(summary="Resume a project", scope="projects:write", returns=ProjectOut, errors=[InvalidTransition])
    def post(self, call: Call, project_id: str) -> ProjectOut:
        """Claims can be taken again."""
        return render_project(projects.resume(project=get_or_404(projects_of(call), project_id), now=call.now))


class ProjectWindDown(LabView):
    """An orderly end."""

    @endpoint(summary="Wind a project down", scope="projects:write", returns=Accepted, errors=[InvalidTransition])
    def post(self, call: Call, project_id: str) -> Accepted:
        """No new claims from now on; openings close, offers are withdrawn, contracts get their notice.

        The project completes by itself once all work is finished and paid.
        """
        project = get_or_404(projects_of(call), project_id)
        return Accepted(projects.wind_down(project=project, by=call.principal, now=call.now))


class ProjectCancel(LabView):
    """An end before anybody was engaged."""

    @endpoint(
        summary="Cancel a project",
        scope="projects:write",
        returns=ProjectOut,
        errors=[InvalidTransition, ProjectInUse],
    )
    def post(self, call: Call, project_id: str) -> ProjectOut:
        """Only while no contract lives; otherwise wind it down."""
        return render_project(projects.cancel(project=get_or_404(projects_of(call), project_id), now=call.now))
