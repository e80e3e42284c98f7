"""What was decided about an expert, and how he contests it."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core import guards, history
from core.public import CadreModel, OwnedQuerySet, PublicIdField, Tenant, Wall
from core.states import Transitions
from experts.models.document import Document
from experts.models.expert import Expert
from experts.models.own_acts import NotByHimself


class Decision(CadreModel):
    """An act that cost an expert money or access, by a named person, with reason and evidence. Never changed.

    ``subject`` is the public id of what it is about (a submission, a credential, an entry of hours); the app that
    owns it applies an overturned decision.
    """

    wall = Wall.EXPERT
    sealed = True

    public_id = PublicIdField(prefix="dec")
    expert = models.ForeignKey(Expert, on_delete=models.PROTECT, related_name="decisions")
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    subject = models.CharField(_("about"), max_length=60)
    act = models.CharField(_("act"), max_length=60)
    reason_code = models.CharField(_("reason"), max_length=60)
    explanation = models.TextField(_("explanation"))
    evidence = models.JSONField(_("evidence"), default=dict, blank=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(_("decided at"))
    answer_until = models.DateTimeField(_("can be contested until"))

    objects = OwnedQuerySet["Decision"].as_manager()

    class Meta:
        ordering = ("-id",)
        triggers = (guards.Refuse(name="append_only"), NotByHimself(name="not_by_himself"))
        constraints = (
            models.CheckConstraint(
                condition=~Q(explanation="") & ~Q(reason_code=""), name="experts_decision_has_reason"
            ),
        )
        indexes = (models.Index(fields=("expert", "subject")), models.Index(fields=("subject",)))

    def __str__(self) -> str:
        return f"{self.act} {self.subject}"


class AppealQuerySet(OwnedQuerySet["Appeal"]):
    """Appeals."""

    def undecided(self) -> Self:
        """Those somebody still owes a decision."""
        return self.filter(status__in=[Appeal.Status.OPEN, Appeal.Status.ANSWERED])

    def overdue(self, *, now: dt.datetime) -> Self:
        """Undecided past their clock."""
        return self.undecided().filter(due_at__lte=now)


@history.tracked()
class Appeal(CadreModel):
    """An expert contests something; another person than the first decider decides, before ``due_at``.

    open → answered (the first decider explained himself) → upheld | partly_upheld | overturned; each of them also
    straight from open. withdrawn by the expert; resolved_by_timeout, in his favour, by the clock.
    The words are about the decision contested: upheld means that it stands.
    """

    class Status(models.TextChoices):
        """How far it is."""

        OPEN = "open", _("open")
        ANSWERED = "answered", _("answered")
        UPHELD = "upheld", _("decision upheld")
        PARTLY_UPHELD = "partly_upheld", _("decision partly upheld")
        OVERTURNED = "overturned", _("decision overturned")
        WITHDRAWN = "withdrawn", _("withdrawn")
        RESOLVED_BY_TIMEOUT = "resolved_by_timeout", _("overturned by the clock")

    _ENDS: ClassVar[set[str]] = {
        Status.UPHELD,
        Status.PARTLY_UPHELD,
        Status.OVERTURNED,
        Status.WITHDRAWN,
        Status.RESOLVED_BY_TIMEOUT,
    }
    TRANSITIONS: ClassVar[Transitions] = {
        Status.OPEN: {Status.ANSWERED, *_ENDS},
        Status.ANSWERED: _ENDS,
        Status.UPHELD: set(),
        Status.PARTLY_UPHELD: set(),
        Status.OVERTURNED: set(),
        Status.WITHDRAWN: set(),
        Status.RESOLVED_BY_TIMEOUT: set(),
    }

    wall = Wall.EXPERT

    public_id = PublicIdField(prefix="apl")
    expert = models.ForeignKey(Expert, on_delete=models.PROTECT, related_name="appeals")
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    subject = models.CharField(_("about"), max_length=60)
    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, null=True, blank=True, related_name="appeals")
    reason = models.TextField(_("reason"))
    status = models.CharField(_("status"), max_length=20, choices=Status.choices, default=Status.OPEN)
    due_at = models.DateTimeField(_("due at"))
    first_decider = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    answer = models.TextField(_("answer of the first decider"), blank=True)
    answered_at = models.DateTimeField(_("answered at"), null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    outcome_note = models.TextField(_("outcome"), blank=True)
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True)

    objects = AppealQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        permissions = (("decide_appeal", _("Can answer and decide appeals")),)
        triggers = (NotByHimself(name="not_by_himself"),)
        constraints = (
            models.CheckConstraint(condition=~Q(decided_by=F("first_decider")), name="experts_appeal_other_decider"),
            models.UniqueConstraint(
                fields=("expert", "subject"),
                condition=Q(status__in=["open", "answered"]),
                name="experts_appeal_one_open",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["upheld", "partly_upheld", "overturned"])
                | (Q(decided_by__isnull=False, decided_at__isnull=False) & ~Q(outcome_note="")),
                name="experts_appeal_decided_by_a_person",
            ),
        )
        indexes = (
            models.Index(fields=("due_at",), condition=Q(status__in=["open", "answered"]), name="experts_appeal_queue"),
        )

    def __str__(self) -> str:
        return f"{self.public_id}: {self.subject}"


class AppealFile(CadreModel):
    """A document that the expert put beside his appeal."""

    wall = Wall.EXPERT

    appeal = models.ForeignKey(Appeal, on_delete=models.PROTECT, related_name="files")
    document = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("appeal", "document"), name="experts_appealfile_once"),)

    def __str__(self) -> str:
        return str(self.document)
