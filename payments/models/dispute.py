"""A lab contests one time entry; the rest of the week is paid on schedule."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import PublicIdField, TenantModel, WalledQuerySet
from core.states import Transitions
from payments.models.own_work import NotByTheWorker

if TYPE_CHECKING:
    from payments.models.time_entry import TimeEntry


class DisputeStatus(models.TextChoices):
    """Where a dispute stands; the outcomes are said from the lab's side."""

    OPEN = "open", _("open")
    ANSWERED = "answered", _("answered")
    UPHELD = "upheld", _("upheld")
    PARTLY_UPHELD = "partly_upheld", _("partly upheld")
    OVERTURNED = "overturned", _("overturned")
    WITHDRAWN = "withdrawn", _("withdrawn")
    RESOLVED_BY_TIMEOUT = "resolved_by_timeout", _("resolved by silence")


_OUTCOMES = frozenset(
    {
        DisputeStatus.UPHELD,
        DisputeStatus.PARTLY_UPHELD,
        DisputeStatus.OVERTURNED,
        DisputeStatus.WITHDRAWN,
        DisputeStatus.RESOLVED_BY_TIMEOUT,
    }
)
UNDECIDED = (DisputeStatus.OPEN, DisputeStatus.ANSWERED)


class DisputeQuerySet(WalledQuerySet["Dispute"]):
    """Contested entries."""

    expert_path = "expert"

    def undecided(self) -> DisputeQuerySet:
        """Those that wait for a decision, the most urgent first."""
        return self.filter(status__in=UNDECIDED).order_by("decide_by", "pk")

    def overdue(self, *, now: dt.datetime) -> DisputeQuerySet:
        """Those whose clock has run out: the expert is paid."""
        return self.filter(status__in=UNDECIDED, decide_by__lte=now)


@history.tracked()
class Dispute(TenantModel):
    """``open → answered → upheld | partly_upheld | overturned | withdrawn | resolved_by_timeout``.

    The lab proposes how long the work should have counted; the expert may answer until ``answer_by``; a person of the
    platform decides until ``decide_by``. Silence past that pays the expert in full. An upheld dispute counts what the
    lab proposed, a partly upheld one something between, an overturned one everything.

    ``after_approval``: the hours were money already. ``set_aside_minor`` of it waits in the expert's holdback; what had
    left for his account stays with him, and is netted later if the dispute takes it.
    """

    Status = DisputeStatus
    TRANSITIONS: ClassVar[Transitions] = {
        DisputeStatus.OPEN: {DisputeStatus.ANSWERED, *_OUTCOMES},
        DisputeStatus.ANSWERED: set(_OUTCOMES),
        DisputeStatus.UPHELD: set(),
        DisputeStatus.PARTLY_UPHELD: set(),
        DisputeStatus.OVERTURNED: set(),
        DisputeStatus.WITHDRAWN: set(),
        DisputeStatus.RESOLVED_BY_TIMEOUT: set(),
    }

    public_id = PublicIdField(prefix="dsp")
    entry = models.OneToOneField("payments.TimeEntry", on_delete=models.PROTECT, related_name="dispute")
    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, related_name="disputes")
    status = models.CharField(max_length=20, choices=DisputeStatus, default=DisputeStatus.OPEN)
    reason = models.TextField()
    proposed_seconds = models.PositiveIntegerField()
    claimed_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text=_("What counted when it was opened.")
    )
    after_approval = models.BooleanField(default=False)
    what_changed = models.TextField(blank=True, help_text=_("What a lab that approved by itself did not know then."))
    set_aside_minor = models.BigIntegerField(default=0)
    opened_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    answer = models.TextField(blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    answer_by = models.DateTimeField(help_text=_("Until then the expert is heard before anything is decided."))
    decide_by = models.DateTimeField(help_text=_("Silence until then pays the expert."))
    decided_seconds = models.PositiveIntegerField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    outcome_note = models.TextField(blank=True)

    objects = DisputeQuerySet.as_manager()

    class Meta:
        verbose_name = _("dispute")
        verbose_name_plural = _("disputes")
        permissions = (("decide_dispute", "Can decide disputed hours"),)
        constraints = (
            models.CheckConstraint(
                condition=Q(status__in=UNDECIDED, decided_at=None, decided_seconds=None, decided_by=None)
                | (~Q(status__in=UNDECIDED) & Q(decided_at__isnull=False, decided_seconds__isnull=False)),
                name="payments_dispute_decided_with_hours",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=("upheld", "partly_upheld", "overturned")) | Q(decided_by__isnull=False),
                name="payments_dispute_decided_by_a_person",
            ),
            models.CheckConstraint(
                condition=Q(decided_by=None) | ~Q(decided_by=F("opened_by")) | Q(status="withdrawn"),
                name="payments_dispute_not_by_its_opener",
            ),
            models.CheckConstraint(
                condition=Q(set_aside_minor=0) | Q(after_approval=True, set_aside_minor__gt=0),
                name="payments_dispute_sets_aside_what_was_posted",
            ),
        )
        indexes = (
            models.Index(fields=("decide_by",), condition=Q(status__in=UNDECIDED), name="payments_dispute_undecided"),
            models.Index(fields=("expert", "-id"), name="payments_dispute_of_expert"),
        )
        triggers = (NotByTheWorker(),)

    def __str__(self) -> str:
        return self.public_id

    def claimed(self, entry: TimeEntry) -> int:
        """Seconds that counted when it was opened; ``entry`` is the contested one."""
        return entry.seconds + entry.disallowed_seconds if self.claimed_seconds is None else self.claimed_seconds

    @property
    def is_undecided(self) -> bool:
        """Whether the entry is still held back."""
        return self.status in UNDECIDED
