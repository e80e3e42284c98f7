"""`/milestones` and `/expert/milestones`: what a lab promises beforehand, and how far an expert is."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from django.db.models import Q
from django.utils.translation import gettext as _
from rest_framework import serializers

from core.api.call import Call, Listed
from core.api.endpoint import endpoint
from core.api.fields import MoneyField, PublicIdField, StrictCharField, StrictIntegerField
from core.api.lookup import get_or_404
from core.api.types import Doc, Example, IdOf, MoneyOut, Timestamp, render_money
from core.api.views import ExpertView, LabView
from core.money import Money
from core.problems import FieldError, InvalidInput, InvalidTransition
from experts.public import ReasonMissing
from marketplace.public import Opening, Project
from payments.api.deciders import DecidedIn, decider
from payments.api.filters import MoneyFilters
from payments.models import AdjustmentProposal, Milestone
from payments.operations.pay import milestones
from payments.queries import milestone_progress

HOUR = 3600
Basis = Milestone.Basis
EndReason = Annotated[str | None, Doc("Why its lab ended it before its budget was used up."), Example(None)]


class MilestoneOut(TypedDict):
    """A bonus promised beforehand."""

    id: Annotated[str, Doc("prp_… while another member has to approve its budget."), IdOf("mst", "prp")]
    status: Annotated[str, Doc("proposed, active, ending or ended."), Example("active")]
    project: Annotated[str, IdOf("prj")]
    opening: Annotated[str | None, IdOf("opn")]
    title: Annotated[str, Example("Fifty accepted rubrics")]
    basis: Annotated[str, Doc("accepted_submissions or approved_hours."), Example("accepted_submissions")]
    count: Annotated[int, Doc("So many submissions, or whole hours."), Example(50)]
    amount: Annotated[MoneyOut, Doc("For each expert who reaches it, once.")]
    budget: Annotated[MoneyOut, Doc("For all of them, without fees; then it ends.")]
    awarded: Annotated[MoneyOut, Doc("What was earned of it.")]
    waiting: Annotated[int, Doc("Experts whose bonus waits for the lab's money."), Example(0)]
    ends_at: Timestamp | None
    end_reason: EndReason


class MyMilestoneOut(TypedDict):
    """A bonus promised to you, and how far you are."""

    id: Annotated[str, IdOf("mst")]
    title: Annotated[str, Example("Fifty accepted rubrics")]
    opening: Annotated[str | None, IdOf("opn")]
    basis: Annotated[str, Doc("accepted_submissions or approved_hours."), Example("accepted_submissions")]
    count: Annotated[int, Doc("So many submissions, or whole hours."), Example(50)]
    done: Annotated[int, Doc("Submissions, or whole hours, until now."), Example(12)]
    amount: MoneyOut
    open: Annotated[bool, Doc("Whether it can still be reached."), Example(True)]
    ends_at: Timestamp | None
    end_reason: EndReason
    reached: Annotated[str | None, Doc("paid, or waiting for the lab's money."), Example(None)]


class MilestoneIn(DecidedIn):
    """What is promised to whom, and who decided it."""

    project = PublicIdField("prj")
    opening = PublicIdField("opn", required=False)
    title = StrictCharField(max_length=200, help_text="Experts read it.")
    basis = serializers.ChoiceField(choices=Basis.choices)
    count = StrictIntegerField(min_value=1, max_value=100_000, help_text="So many submissions, or whole hours.")
    amount = MoneyField(help_text="For each expert who reaches it, once; the fee comes on top.")
    budget = MoneyField(help_text="For all of them, without fees; when it is used up, the milestone ends.")


class EndMilestoneIn(DecidedIn):
    """Who decides, and why."""

    reason = StrictCharField(max_length=300, help_text="Experts who work towards it read it.")


class MyMilestoneFilters(serializers.Serializer[None]):
    """Filters."""

    opening = PublicIdField("opn", required=False)


class MilestoneFilters(MoneyFilters):
    """Filters."""

    status = serializers.ChoiceField(choices=Milestone.Status.choices, required=False)
    project = PublicIdField("prj", required=False, source="project__public_id")
    opening = PublicIdField("opn", required=False, source="opening__public_id")


def render_milestone(row: Milestone) -> MilestoneOut:
    """A milestone; project and opening are joined, and what waits is annotated (`with_waiting`; a new one has none)."""
    hours = row.basis == Basis.APPROVED_HOURS
    return {
        "id": row.public_id,
        "status": row.status,
        "project": row.project.public_id,
        "opening": row.opening.public_id if row.opening else None,
        "title": row.title,
        "basis": row.basis,
        "count": row.threshold // HOUR if hours else row.threshold,
        "amount": render_money(Money(row.amount_minor, row.currency)),
        "budget": render_money(Money(row.budget_minor, row.currency)),
        "awarded": render_money(Money(row.awarded_minor, row.currency)),
        "waiting": vars(row).get("awards_waiting", 0),
        "ends_at": row.ends_at,
        "end_reason": row.end_reason or None,
    }


def render_proposed(proposal: AdjustmentProposal, body: dict[str, Any]) -> MilestoneOut:
    """One that waits for a second member."""
    return {
        "id": proposal.public_id,
        "status": "proposed",
        "project": body["project"],
        "opening": body.get("opening"),
        "title": body["title"],
        "basis": body["basis"],
        "count": body["count"],
        "amount": render_money(body["amount"]),
        "budget": render_money(body["budget"]),
        "awarded": render_money(Money(0, proposal.currency)),
        "waiting": 0,
        "ends_at": None,
        "end_reason": None,
    }


def render_all_mine(rows: list[Milestone], *, expert_id: int) -> list[MyMilestoneOut]:
    """Milestones as the expert sees them; what he has done and reached is read for all of them at once."""
    done = milestone_progress.of_expert(rows, expert_id=expert_id)
    reached = milestone_progress.reached_by(rows, expert_id=expert_id)
    return [render_mine(row, done=done[row.pk], reached=reached.get(row.pk)) for row in rows]


def render_mine(row: Milestone, *, done: int, reached: str | None) -> MyMilestoneOut:
    """One of them; the opening is joined, `done` counts submissions or seconds."""
    unit = HOUR if row.basis == Basis.APPROVED_HOURS else 1
    return {
        "id": row.public_id,
        "title": row.title,
        "opening": row.opening.public_id if row.opening else None,
        "basis": row.basis,
        "count": row.threshold // unit,
        "done": done // unit,
        "amount": render_money(Money(row.amount_minor, row.currency)),
        "open": row.status != Milestone.Status.ENDED,
        "ends_at": row.ends_at,
        "end_reason": row.end_reason or None,
        "reached": reached,
    }


def milestones_of(call: Call) -> Any:
    """What the caller may see."""
    return Milestone.objects.visible_to(call.principal).select_related("project", "opening").with_waiting()


class MilestoneList(LabView):
    """The lab's milestones."""

    @endpoint(
        summary="List milestones",
        scope="bonuses:read",
        query=MilestoneFilters,
        returns=MilestoneOut,
        paginated=True,
        render=render_milestone,
    )
    def get(self, call: Call) -> Any:
        """Newest first; `waiting` tells how many bonuses wait for your money."""
        return milestones_of(call).filter(**call.query)

    @endpoint(
        summary="Promise a milestone",
        rate="money",
        scope="bonuses:write",
        body=MilestoneIn,
        returns=MilestoneOut,
        status=201,
        idempotency="required",
        example={
            "project": "prj_01k9w3v6z8f2qr5t4h7xnm0ceg",
            "title": "Fifty accepted rubrics",
            "basis": "accepted_submissions",
            "count": 50,
            "amount": {"amount": "250.00", "currency": "USD"},
            "budget": {"amount": "1000.00", "currency": "USD"},
            "decided_by": "ops@aurora.example",
        },
    )
    def post(self, call: Call) -> MilestoneOut:
        """Experts see it before they accept an offer; it is paid by itself, once to each, and never changed."""
        body = call.body
        project = Project.objects.visible_to(call.principal).filter(public_id=body["project"]).first()
        opening = Opening.objects.visible_to(call.principal).filter(public_id=body.get("opening", "")).first()
        if project is None or (opening is None and "opening" in body):
            pointer = "/project" if project is None else "/opening"
            raise InvalidInput(errors=[FieldError(pointer, "unknown", _("There is nothing of yours with this id."))])
        made = milestones.define(
            project=project,
            opening=opening,
            title=body["title"],
            basis=body["basis"],
            threshold=body["count"] * (HOUR if body["basis"] == Basis.APPROVED_HOURS else 1),
            amount=body["amount"],
            budget=body["budget"],
            decided_by=decider(call),
            now=call.now,
        )
        return render_milestone(made) if isinstance(made, Milestone) else render_proposed(made, body)


class MilestoneDetail(LabView):
    """One milestone."""

    @endpoint(summary="Show a milestone", scope="bonuses:read", returns=MilestoneOut)
    def get(self, call: Call, milestone_id: str) -> MilestoneOut:
        """How much of its budget was earned."""
        return render_milestone(get_or_404(milestones_of(call), milestone_id))


class MilestoneEnd(LabView):
    """Ending it."""

    @endpoint(
        summary="End a milestone",
        scope="bonuses:write",
        body=EndMilestoneIn,
        returns=MilestoneOut,
        errors=[InvalidTransition, ReasonMissing],
        example={"decided_by": "ops@aurora.example", "reason": "The project needs no more rubrics of this kind."},
        rate="money",
        idempotency="required",
    )
    def post(self, call: Call, milestone_id: str) -> MilestoneOut:
        """It can be reached for another week; whoever works towards it is told why, and can contest it."""
        milestone = get_or_404(milestones_of(call), milestone_id)
        milestones.end(milestone=milestone, reason=call.body["reason"], decided_by=decider(call), now=call.now)
        return render_milestone(get_or_404(milestones_of(call), milestone_id))


class ExpertMilestoneList(ExpertView):
    """What labs promise the expert."""

    @endpoint(
        summary="List milestones promised to me", query=MyMilestoneFilters, returns=MyMilestoneOut, paginated=True
    )
    def get(self, call: Call) -> Listed:
        """Those of every opening you have an offer or a contract in, so also before you accept."""
        rows = milestones_of(call)
        if "opening" in call.query:
            opening = Opening.objects.visible_to(call.principal).filter(public_id=call.query["opening"]).first()
            wanted = Q(opening=opening) | Q(opening=None, project=opening.project_id) if opening else Q(pk=None)
            rows = rows.filter(wanted)
        expert_id = call.principal.subject_id or 0
        return Listed(rows, lambda page: render_all_mine(page, expert_id=expert_id), together=True)
