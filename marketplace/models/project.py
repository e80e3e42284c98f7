"""Projects: the frame in which a lab hires and has work done; and their instructions."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import PublicIdField, TenantModel, WalledQuerySet
from core.states import Transitions
from marketplace import pay_policy


def default_pay_policy() -> dict[str, Any]:
    """Every activity is paid; a lab that wants it otherwise says so before anybody signs."""
    return pay_policy.everything_paid()


class ProjectQuerySet(WalledQuerySet["Project"]):
    """Projects; an expert sees those he has a contract in."""

    expert_path = "contracts__expert"
    has_many_paths = True


@history.tracked()
class Project(TenantModel):
    """``draft → calibration → active ⇄ paused → winding_down → completed``; ``cancelled`` while nobody is engaged."""

    class Status(models.TextChoices):
        """How far it is."""

        DRAFT = "draft", _("draft")
        CALIBRATION = "calibration", _("calibration")
        ACTIVE = "active", _("active")
        PAUSED = "paused", _("paused")
        WINDING_DOWN = "winding_down", _("winding down")
        COMPLETED = "completed", _("completed")
        CANCELLED = "cancelled", _("cancelled")

    class ReviewPolicy(models.TextChoices):
        """Who decides about submitted work."""

        PLATFORM = "platform", _("platform")
        LAB = "lab", _("lab")
        BOTH = "both", _("both")

    class AiAssistance(models.TextChoices):
        """Whether experts may use machines."""

        FORBIDDEN = "forbidden", _("forbidden")
        DISCLOSED = "disclosed", _("allowed when disclosed")
        ALLOWED = "allowed", _("allowed")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.DRAFT: {Status.CALIBRATION, Status.ACTIVE, Status.CANCELLED},
        Status.CALIBRATION: {Status.ACTIVE, Status.WINDING_DOWN, Status.CANCELLED},
        Status.ACTIVE: {Status.PAUSED, Status.WINDING_DOWN, Status.CANCELLED},
        Status.PAUSED: {Status.ACTIVE, Status.WINDING_DOWN, Status.CANCELLED},
        Status.WINDING_DOWN: {Status.COMPLETED},
        Status.COMPLETED: set(),
        Status.CANCELLED: set(),
    }

    public_id = PublicIdField(prefix="prj")
    name = models.CharField(_("name"), max_length=200)
    alias = models.CharField(_("alias"), max_length=200, help_text=_("What experts see."))
    status = models.CharField(_("status"), max_length=14, choices=Status.choices, default=Status.DRAFT)
    task_types = ArrayField(models.CharField(max_length=60), verbose_name=_("task types"))
    review_policy = models.CharField(_("review policy"), max_length=10, choices=ReviewPolicy.choices)
    currency = models.CharField(_("currency"), max_length=3)
    weekly_budget_minor = models.BigIntegerField(_("weekly budget (minor units)"), null=True, blank=True)
    ai_assistance = models.CharField(_("AI assistance"), max_length=10, choices=AiAssistance.choices)
    overlap = models.PositiveSmallIntegerField(
        _("overlap"), default=1, validators=[MinValueValidator(1), MaxValueValidator(3)]
    )
    pay_policy = models.JSONField(_("pay policy"), default=default_pay_policy)
    external_id = models.CharField(_("external id"), max_length=255, blank=True)
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)

    objects = ProjectQuerySet.as_manager()

    class Meta:
        permissions = (("run_project", _("Can launch, pause and resume projects")),)
        constraints = (
            models.UniqueConstraint(
                fields=("tenant", "external_id"), condition=~Q(external_id=""), name="marketplace_project_external_id"
            ),
            models.CheckConstraint(condition=Q(overlap__range=(1, 3)), name="marketplace_project_overlap"),
            models.CheckConstraint(
                condition=Q(weekly_budget_minor=None) | Q(weekly_budget_minor__gt=0),
                name="marketplace_project_budget",
            ),
        )
        indexes = (models.Index(fields=("tenant", "-id")),)

    def __str__(self) -> str:
        return self.name

    @property
    def is_hiring(self) -> bool:
        """Whether openings may be open and offers accepted."""
        return self.status in {self.Status.CALIBRATION, self.Status.ACTIVE, self.Status.PAUSED}


class InstructionVersionQuerySet(WalledQuerySet["InstructionVersion"]):
    """Versions; an expert sees those of the projects he has a contract in."""

    expert_path = "project__contracts__expert"
    has_many_paths = True


@history.tracked()
class InstructionVersion(TenantModel):
    """What a lab asks of whoever works on a project, as Markdown. Published versions do not change: the next follows."""

    public_id = PublicIdField(prefix="ins")
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="instructions")
    number = models.PositiveIntegerField(_("number"))
    body = models.TextField(_("text"))
    sha256 = models.CharField(max_length=64)
    published_at = models.DateTimeField(_("published"))

    objects = InstructionVersionQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("project", "number"), name="marketplace_instructionversion_number"),
        )

    def __str__(self) -> str:
        return f"{self.public_id} v{self.number}"


class InstructionAcknowledgementQuerySet(WalledQuerySet["InstructionAcknowledgement"]):
    """Acknowledgements."""

    expert_path = "contract__expert"


@history.tracked()
class InstructionAcknowledgement(TenantModel):
    """The holder of a contract confirmed that he read a version."""

    version = models.ForeignKey(InstructionVersion, on_delete=models.PROTECT, related_name="acknowledgements")
    contract = models.ForeignKey("marketplace.Contract", on_delete=models.PROTECT, related_name="acknowledgements")
    acknowledged_at = models.DateTimeField()

    objects = InstructionAcknowledgementQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("version", "contract"), name="marketplace_instructionacknowledgement_once"),
        )

    def __str__(self) -> str:
        return f"{self.contract_id} read {self.version_id}"
