"""Rubrics: one row per version, with criteria and the grades given by them."""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import guards, history
from core.public import PublicIdField, TenantModel, WalledQuerySet
from core.states import Transitions
from tasks.models.submission import Submission


class RubricQuerySet(WalledQuerySet["Rubric"]):
    """A lab sees its own, the platform all; experts see a rubric through the claim that needs it."""


@history.tracked(exclude=["extra"])
class Rubric(TenantModel):
    """One version of a rubric: ``draft → frozen``.

    It freezes when a task starts to use it or when the submission that brought it is accepted; a change is a new row
    with ``version + 1`` that ``replaces`` this one, and grades keep pointing to the version they were given by.
    ``extra`` is what a foreign dialect says and ours does not.
    """

    class Status(models.TextChoices):
        """Whether it can still be replaced in place."""

        DRAFT = "draft", _("draft")
        FROZEN = "frozen", _("frozen")

    class Policy(models.TextChoices):
        """How verdicts become a score."""

        POINTS = "points", _("points")
        TREE = "tree", _("tree")
        GATED = "gated", _("gated")
        PASS_RATE = "pass_rate", _("pass rate")
        WEIGHTED_CHOICES = "weighted_choices", _("weighted choices")

    TRANSITIONS: ClassVar[Transitions] = {Status.DRAFT: {Status.FROZEN}, Status.FROZEN: set()}

    public_id = PublicIdField(prefix="rub", random=True)
    title = models.CharField(max_length=200, blank=True)
    version = models.PositiveIntegerField(default=1)
    replaces = models.OneToOneField("self", on_delete=models.PROTECT, null=True, blank=True, related_name="replaced_by")
    score_policy = models.CharField(max_length=20, choices=Policy.choices, default=Policy.POINTS)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT)
    submission = models.OneToOneField(
        Submission, on_delete=models.PROTECT, null=True, blank=True, related_name="rubric"
    )
    project = models.ForeignKey(
        "marketplace.Project", on_delete=models.PROTECT, null=True, blank=True, related_name="rubrics"
    )
    external_id = models.CharField(max_length=255, blank=True)
    source_format = models.CharField(max_length=20, default="native")
    extra = models.JSONField(default=dict, blank=True)
    frozen_at = models.DateTimeField(null=True, blank=True)

    objects = RubricQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        verbose_name = _("rubric")
        verbose_name_plural = _("rubrics")
        constraints = (
            models.UniqueConstraint(
                fields=("tenant", "external_id", "version"),
                condition=~Q(external_id=""),
                name="tasks_rubric_external_id",
            ),
            models.CheckConstraint(
                condition=Q(status="draft", frozen_at=None) | Q(status="frozen", frozen_at__isnull=False),
                name="tasks_rubric_frozen_at",
            ),
        )

    def __str__(self) -> str:
        return self.title or self.public_id


class RubricCriterionQuerySet(WalledQuerySet["RubricCriterion"]):
    """As their rubrics."""


class RubricCriterion(TenantModel):
    """One thing a grader decides. The meaning of the fields is told in ``rubric_content.Criterion``; ``key`` is its
    id within the rubric. Criteria come with their rubric's draft and never change.
    """

    class Kind(models.TextChoices):
        """What a verdict looks like."""

        BINARY = "binary", _("yes or no")
        ORDINAL = "ordinal", _("one of its choices")
        COUNT = "count", _("a number of times")

    class Importance(models.TextChoices):
        """How much it matters."""

        ESSENTIAL = "essential", _("essential")
        IMPORTANT = "important", _("important")
        OPTIONAL = "optional", _("optional")
        PITFALL = "pitfall", _("pitfall")

    sealed: ClassVar[bool] = True

    rubric = models.ForeignKey(Rubric, on_delete=models.PROTECT, related_name="criteria")
    position = models.PositiveIntegerField()
    key = models.CharField(max_length=100)
    text = models.TextField()
    points = models.FloatField(null=True, blank=True)
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.BINARY)
    choices = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    max_occurrences = models.PositiveIntegerField(null=True, blank=True)
    importance = models.CharField(max_length=12, choices=Importance.choices, blank=True)
    parent = models.CharField(max_length=100, blank=True, help_text=_("Key of the parent in a tree."))
    weight = models.FloatField(null=True, blank=True)
    category = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001  # none and empty differ in dialects
    is_gate = models.BooleanField(default=False)
    needs_grounding = models.BooleanField(default=False)
    depends_on = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    tags = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    sources = ArrayField(models.TextField(), default=list, blank=True)
    justification = models.TextField(blank=True)
    examples = models.JSONField(default=dict, blank=True, help_text=_("Lists of texts under met and not_met."))
    extra = models.JSONField(default=dict, blank=True)

    objects = RubricCriterionQuerySet.as_manager()

    class Meta:
        ordering = ("rubric", "position")
        verbose_name = _("criterion")
        verbose_name_plural = _("criteria")
        constraints = (
            models.UniqueConstraint(fields=("rubric", "key"), name="tasks_criterion_key"),
            models.UniqueConstraint(fields=("rubric", "position"), name="tasks_criterion_position"),
        )
        triggers = (
            guards.Refuse(name="append_only"),
            guards.Guard(
                name="frozen_rubric",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func="""
                    IF (SELECT status FROM tasks_rubric WHERE id = NEW.rubric_id) = 'frozen' THEN
                        RAISE EXCEPTION 'A frozen rubric takes no criteria.'
                            USING ERRCODE = 'check_violation', CONSTRAINT = 'tasks_rubric_is_frozen';
                    END IF;
                    RETURN NEW;
                """,
            ),
        )

    def __str__(self) -> str:
        return self.key


class CriterionGradeQuerySet(WalledQuerySet["CriterionGrade"]):
    """As the submissions they came with."""

    expert_path = "submission__expert"


class CriterionGrade(TenantModel):
    """One verdict on one criterion of one rubric version, for one response (``sample``, empty where there is one)."""

    sealed: ClassVar[bool] = True

    submission = models.ForeignKey(Submission, on_delete=models.PROTECT, related_name="grades")
    criterion = models.ForeignKey(RubricCriterion, on_delete=models.PROTECT, related_name="grades")
    sample = models.CharField(max_length=100, blank=True)
    verdict = models.JSONField(help_text=_("true, false, a choice, a number of times, or cannot_assess."))
    rationale = models.TextField(blank=True)

    objects = CriterionGradeQuerySet.as_manager()

    class Meta:
        ordering = ("id",)
        verbose_name = _("grade")
        verbose_name_plural = _("grades")
        constraints = (models.UniqueConstraint(fields=("submission", "criterion", "sample"), name="tasks_grade_once"),)
        triggers = (guards.Refuse(name="append_only"),)

    def __str__(self) -> str:
        return f"{self.criterion_id}: {self.verdict}"
