"""`/rubrics`: write, import, lint, score."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict, cast

from django.utils.translation import gettext as _
from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import BULK_BYTES, endpoint
from core.api.fields import ExternalIdField, PublicIdField, StrictCharField
from core.api.filters import CreatedFilters
from core.api.lookup import get_or_404
from core.api.types import AnyJson, Doc, Example, ExternalId, Timestamp
from core.api.views import LabView
from core.problems import FieldError, InvalidInput
from marketplace.public import Project
from tasks import dialects, rubric_lint
from tasks.api.names import ProjectId, RubricId, SubmissionId
from tasks.dialects import native
from tasks.models import Rubric
from tasks.operations import rubrics
from tasks.operations.rubrics import RubricExternalIdTaken, RubricReplaced, RubricUnusable
from tasks.rubric_content import Rubric as Content
from tasks.rubric_content import ScorePolicy
from tasks.rubric_rows import content_of
from tasks.rubric_scoring import Grade

EXAMPLE_CRITERIA = [
    {"id": "c1", "text": "Tells to keep taking aspirin until the surgeon decides.", "points": 7},
    {"id": "c2", "text": "Names bleeding risk as the reason to ask.", "points": 5},
    {"id": "c3", "text": "Gives a dose without being asked for one.", "points": -6},
]


class RubricSummaryOut(TypedDict):
    """One version of a rubric, without its criteria."""

    id: RubricId
    title: Annotated[str, Example("Aspirin before surgery")]
    version: Annotated[int, Example(1)]
    replaces: Annotated[RubricId | None, Doc("The version before this one.")]
    status: Annotated[
        str, Doc("draft, or frozen once a task uses it or its submission is accepted."), Example("frozen")
    ]
    score_policy: Annotated[str, Example("points")]
    source_format: Annotated[str, Doc("The dialect it came in."), Example("native")]
    project: ProjectId | None
    submission: Annotated[SubmissionId | None, Doc("The submission that brought it.")]
    external_id: ExternalId
    created_at: Timestamp
    frozen_at: Timestamp | None


class RubricOut(RubricSummaryOut):
    """A rubric with its criteria in the native form."""

    criteria: Annotated[list[AnyJson], Example(EXAMPLE_CRITERIA)]


class FindingOut(TypedDict):
    """One remark of the linter."""

    code: Annotated[str, Example("compound_criterion")]
    level: Annotated[str, Doc("blocking: it cannot be used. advisory: think about it."), Example("advisory")]
    criterion: Annotated[str | None, Doc("Null for the whole rubric."), Example("c2")]
    message: Annotated[str, Example("It may ask two things at once.")]


class LintOut(TypedDict):
    """What the linter says, blocking findings first."""

    findings: list[FindingOut]


class ScoreOut(TypedDict):
    """The score of one response."""

    score: Annotated[float | None, Doc("Null where the policy defines none; not clipped."), Example(0.5)]
    cannot_assess_rate: Annotated[float, Doc("Share of criteria without a verdict."), Example(0.0)]
    nodes: Annotated[dict[str, float | None], Doc("Credit of each criterion, score of each inner node.")]
    tags: Annotated[dict[str, float | None], Doc("The score over each tag's criteria, under the policy points.")]


class RubricPlace(serializers.Serializer[None]):
    """Where a rubric belongs."""

    title = StrictCharField(max_length=200, required=False, allow_blank=True)
    project = PublicIdField("prj", required=False)
    external_id = ExternalIdField()
    replaces = PublicIdField("rub", required=False, help_text="Makes this the next version of that one.")


class RubricIn(RubricPlace):
    """A rubric in the native form."""

    score_policy = serializers.ChoiceField(choices=Rubric.Policy.choices, required=False)
    criteria = serializers.ListField(
        child=serializers.JSONField(),
        min_length=1,
        max_length=5000,
        help_text='Each {"id", "text", "points", …}; see the description.',
    )


class RubricImportIn(RubricPlace):
    """A rubric in a foreign form."""

    format = serializers.ChoiceField(choices=sorted(dialects.DIALECTS))
    rubric = serializers.JSONField(help_text="The document as it stands in its own tools.")


class RubricLintIn(serializers.Serializer[None]):
    """A rubric in the native form, or a format and a document."""

    score_policy = serializers.ChoiceField(choices=Rubric.Policy.choices, required=False)
    criteria = serializers.ListField(child=serializers.JSONField(), max_length=5000, required=False)
    format = serializers.ChoiceField(choices=sorted(dialects.DIALECTS), required=False)
    rubric = serializers.JSONField(required=False)


class GradeIn(serializers.Serializer[None]):
    """One verdict."""

    criterion = StrictCharField(max_length=100)
    verdict = serializers.JSONField(help_text="true or false, a choice, a number of times, 1/0/-1, or cannot_assess.")

    def validate_verdict(self, value: Any) -> Any:
        """A boolean, a whole number or a text; whether it fits the criterion is the rubric's question."""
        if not isinstance(value, bool | int | str):
            raise serializers.ValidationError(_("Expected true, false, a whole number or a text."), code="wrong_type")
        return value


class ScoreIn(serializers.Serializer[None]):
    """Grades of one response, one for each graded criterion."""

    grades = serializers.ListField(child=GradeIn(), min_length=1, max_length=5000)


class RubricFilters(CreatedFilters):
    """Filters."""

    status = serializers.ChoiceField(choices=Rubric.Status.choices, required=False)
    project = PublicIdField("prj", required=False, source="project__public_id")
    submission = PublicIdField("sub", required=False, source="submission__public_id")
    external_id = ExternalIdField()


def rubrics_of(call: Call) -> Any:
    """The lab's rubrics with what a row shows."""
    rows = Rubric.objects.visible_to(call.principal).select_related("project", "submission", "replaces")
    return rows.defer("extra", "submission__body")


def render_summary(rubric: Rubric) -> RubricSummaryOut:
    """A rubric without criteria; project, submission and the former version are joined."""
    return {
        "id": rubric.public_id,
        "title": rubric.title,
        "version": rubric.version,
        "replaces": rubric.replaces.public_id if rubric.replaces else None,
        "status": rubric.status,
        "score_policy": rubric.score_policy,
        "source_format": rubric.source_format,
        "project": rubric.project.public_id if rubric.project else None,
        "submission": rubric.submission.public_id if rubric.submission else None,
        "external_id": rubric.external_id or None,
        "created_at": rubric.created_at,
        "frozen_at": rubric.frozen_at,
    }


def render_rubric(rubric: Rubric) -> RubricOut:
    """With its criteria: one query more."""
    return {**render_summary(rubric), "criteria": native.write(content_of(rubric))["criteria"]}


def store(call: Call, content: Content, *, source_format: str) -> RubricOut:
    """Keep what a lab sent; the ids in the body must be its own."""
    body = call.body
    named: dict[str, Any] = {}
    for name, rows in (("project", Project.objects), ("replaces", Rubric.objects)):
        if name in body:
            named[name] = rows.visible_to(call.principal).filter(public_id=body[name]).first()
            if named[name] is None:
                raise InvalidInput(errors=[FieldError(f"/{name}", "unknown", _("You have no such thing."))])
    rubric = rubrics.create(
        tenant_id=cast(int, call.principal.tenant_id),
        content=content,
        source_format=source_format,
        external_id=body.get("external_id", ""),
        title=body.get("title", ""),
        **named,
    )
    return render_rubric(rubric)


class RubricList(LabView):
    """The lab's rubrics."""

    @endpoint(
        summary="List rubrics",
        scope="rubrics:read",
        query=RubricFilters,
        returns=RubricSummaryOut,
        paginated=True,
        render=render_summary,
    )
    def get(self, call: Call) -> Any:
        """Newest first; also those that submissions brought."""
        return rubrics_of(call).filter(**call.query)

    @endpoint(
        summary="Write a rubric",
        scope="rubrics:write",
        body=RubricIn,
        returns=RubricOut,
        status=201,
        errors=[RubricUnusable, RubricReplaced, RubricExternalIdTaken],
        example={"score_policy": "points", "criteria": EXAMPLE_CRITERIA, "external_id": "aspirin"},
    )
    def post(self, call: Call) -> RubricOut:
        """A criterion has `id`, `text` and, by policy, `points`, `weight`, `is_gate`, `choices`, `parent` and more.

        Blocking findings of the linter refuse it. It is a draft until a task uses it; then it is frozen, and a change
        is a new rubric that `replaces` it.
        """
        document = {"score_policy": call.body.get("score_policy", "points"), "criteria": call.body["criteria"]}
        return store(call, rubrics.read("native", document), source_format="native")


class RubricDetail(LabView):
    """One rubric."""

    @endpoint(summary="Show a rubric", scope="rubrics:read", returns=RubricOut)
    def get(self, call: Call, rubric_id: str) -> RubricOut:
        """With its criteria."""
        return render_rubric(get_or_404(rubrics_of(call), rubric_id))


class RubricImport(LabView):
    """Foreign rubrics."""

    @endpoint(
        summary="Import a rubric",
        scope="rubrics:write",
        body=RubricImportIn,
        returns=RubricOut,
        status=201,
        errors=[RubricUnusable, RubricReplaced, RubricExternalIdTaken],
        max_body=BULK_BYTES,
        example={
            "format": "healthbench",
            "rubric": [{"criterion": "Names bleeding risk.", "points": 5, "tags": ["axis:accuracy"]}],
        },
    )
    def post(self, call: Call) -> RubricOut:
        """native, healthbench, paperbench, apex, ace or verifiers; what our model has no words for is kept as it was."""
        content = rubrics.read(call.body["format"], call.body["rubric"], pointer="/rubric")
        return store(call, content, source_format=call.body["format"])


class RubricLint(LabView):
    """The linter."""

    @endpoint(
        summary="Lint a rubric",
        scope="rubrics:read",
        body=RubricLintIn,
        returns=LintOut,
        idempotency="none",
        max_body=BULK_BYTES,
        example={"score_policy": "points", "criteria": EXAMPLE_CRITERIA},
    )
    def post(self, call: Call) -> LintOut:
        """Nothing is stored. Structure blocks, style only advises; the codes are stable."""
        findings = rubric_lint.lint(_to_lint(call.body), limits=rubrics.foreign_limits())
        return {
            "findings": [
                {
                    "code": finding.code,
                    "level": finding.level.value,
                    "criterion": finding.criterion,
                    "message": finding.message,
                }
                for finding in findings
            ]
        }


def _to_lint(body: dict[str, Any]) -> Content:
    is_foreign = "format" in body and "rubric" in body
    is_native = "criteria" in body
    if is_foreign == is_native:
        detail = _("Send either criteria, or a format and a rubric.")
        raise InvalidInput(errors=[FieldError("", "ambiguous", detail)])
    if is_foreign:
        return rubrics.read(body["format"], body["rubric"], pointer="/rubric")
    policy = body.get("score_policy", ScorePolicy.POINTS.value)
    return rubrics.read("native", {"score_policy": policy, "criteria": body["criteria"]})


class RubricScore(LabView):
    """Scores."""

    @endpoint(
        summary="Score grades by a rubric",
        scope="rubrics:read",
        body=ScoreIn,
        returns=ScoreOut,
        idempotency="none",
        example={"grades": [{"criterion": "c1", "verdict": True}]},
    )
    def post(self, call: Call, rubric_id: str) -> ScoreOut:
        """Nothing is stored. Every graded criterion needs one verdict; `cannot_assess` leaves the sum."""
        rubric = get_or_404(rubrics_of(call), rubric_id)
        grades = [Grade(grade["criterion"], grade["verdict"]) for grade in call.body["grades"]]
        scored = rubrics.score(rubric=rubric, grades=grades)
        return {
            "score": scored.score,
            "cannot_assess_rate": scored.cannot_assess_rate,
            "nodes": dict(scored.nodes),
            "tags": dict(scored.tags),
        }
