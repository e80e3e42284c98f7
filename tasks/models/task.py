"""A task: one item of work with the lab's payload."""

from __future__ import annotations

from typing import ClassVar, Self

import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from core import guards, history
from core.public import Kind, Principal, PublicIdField, TenantModel, WalledQuerySet
from core.states import Transitions
from tasks.models.batch import Batch


class TaskQuerySet(WalledQuerySet["Task"]):
    """A lab sees its own, an expert those he has claimed, the platform all."""

    def visible_to(self, principal: Principal) -> Self:
        """As everywhere, but an expert's tasks are those he has a claim on."""
        if principal.kind is Kind.EXPERT and principal.subject_id is not None:
            return self.claimed_by(principal.subject_id)
        return super().visible_to(principal)

    def claimed_by(self, expert_id: int) -> Self:
        """Tasks that one expert has or had a part in, each once."""
        return self.filter(pk__in=Task.objects.filter(claims__expert=expert_id).values("pk"))


@history.tracked(exclude=["payload", "reference", "domain"])
class Task(TenantModel):
    """One item of work: the whole; who does which part of it is told by its claims.

    ``pending → available → in_work → (consensus | conflict → adjudicated) → in_review → completed``, and
    ``in_review → in_rework → in_work | in_review`` (``available`` or ``conflict`` where the rework is given up),
    ``in_review → rejected``, ``cancelled`` while the work is not handed in. An overturned rejection makes
    ``rejected → completed``.

    ``candidate`` is the submission that review is about and that becomes final; ``review_side`` says whose decision is
    awaited until ``review_by``. ``rater_agreement`` is what two independent graders had in common. ``reference`` is
    the lab's own gold or published answer and is never shown to an expert.
    """

    class Status(models.TextChoices):
        """How far it is."""

        PENDING = "pending", _("pending")
        AVAILABLE = "available", _("available")
        IN_WORK = "in_work", _("in work")
        CONSENSUS = "consensus", _("consensus")
        CONFLICT = "conflict", _("conflict")
        ADJUDICATED = "adjudicated", _("adjudicated")
        IN_REVIEW = "in_review", _("in review")
        COMPLETED = "completed", _("completed")
        IN_REWORK = "in_rework", _("in rework")
        REJECTED = "rejected", _("rejected")
        CANCELLED = "cancelled", _("cancelled")

    class Side(models.TextChoices):
        """Who decides next."""

        NOBODY = "", _("nobody")
        PLATFORM = "platform", _("platform")
        LAB = "lab", _("lab")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.PENDING: {Status.AVAILABLE, Status.CANCELLED},
        Status.AVAILABLE: {Status.IN_WORK, Status.CANCELLED},
        Status.IN_WORK: {
            Status.AVAILABLE,
            Status.CONSENSUS,
            Status.CONFLICT,
            Status.IN_REVIEW,
            Status.CANCELLED,
        },
        Status.CONSENSUS: {Status.IN_REVIEW},
        Status.CONFLICT: {Status.ADJUDICATED, Status.CANCELLED},
        Status.ADJUDICATED: {Status.IN_REVIEW},
        Status.IN_REVIEW: {Status.COMPLETED, Status.IN_REWORK, Status.REJECTED},
        Status.IN_REWORK: {
            Status.IN_WORK,
            Status.IN_REVIEW,
            Status.AVAILABLE,
            Status.CONFLICT,
            Status.CANCELLED,
        },
        Status.COMPLETED: set(),
        Status.REJECTED: {Status.COMPLETED},
        Status.CANCELLED: set(),
    }
    FINISHED: ClassVar[frozenset[str]] = frozenset({Status.COMPLETED, Status.REJECTED, Status.CANCELLED})

    public_id = PublicIdField(prefix="tsk", random=True)
    batch = models.ForeignKey(Batch, on_delete=models.PROTECT, related_name="tasks")
    project = models.ForeignKey("marketplace.Project", on_delete=models.PROTECT, related_name="tasks")
    type = models.CharField(max_length=40)
    schema_version = models.PositiveSmallIntegerField()
    payload = models.JSONField()
    domain = models.GeneratedField(
        expression=Coalesce(KeyTextTransform("domain", "payload"), models.Value(""), output_field=models.TextField()),
        output_field=models.TextField(),
        db_persist=True,
        help_text=_("The payload's domain, empty without one: what the queue is looked through by."),
    )
    external_id = models.CharField(max_length=255, blank=True)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.PENDING)
    is_gold = models.BooleanField(default=False)
    reference = models.JSONField(null=True, blank=True)
    position = models.PositiveIntegerField(
        default=0, help_text=_("Order in the queue of its batch; drawn by lot, so that gold stands anywhere.")
    )
    wanted_role = models.CharField(
        max_length=16, blank=True, help_text=_("The part of it that waits to be claimed; empty when none does.")
    )
    wanted_slot = models.PositiveSmallIntegerField(default=1)
    rubric = models.ForeignKey("tasks.Rubric", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    candidate = models.ForeignKey("tasks.Submission", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    review_side = models.CharField(max_length=10, choices=Side.choices, default=Side.NOBODY, blank=True)
    review_by = models.DateTimeField(null=True, blank=True, help_text=_("Silence past this instant accepts."))
    rater_agreement = models.JSONField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = TaskQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        constraints = (
            models.UniqueConstraint(
                fields=("tenant", "external_id"), condition=~Q(external_id=""), name="tasks_task_external_id"
            ),
        )
        indexes = (
            models.Index(
                fields=("project", "wanted_role", "batch", "position"),
                condition=~Q(wanted_role=""),
                name="tasks_task_queue",
            ),
            models.Index(
                fields=("project", "wanted_role", "domain", "batch", "position", "id"),
                condition=~Q(wanted_role=""),
                name="tasks_task_queue_of_domain",
            ),
            models.Index(fields=("batch", "status"), name="tasks_task_batch_status"),
            models.Index(fields=("review_by",), condition=Q(status="in_review"), name="tasks_task_review_due"),
        )
        triggers = (
            guards.Refuse(
                name="payload_stays",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange("type", "payload", "reference", "is_gold", "batch"),
            ),
        )

    def __str__(self) -> str:
        return self.public_id
