"""What is exchanged with a bank in files: payment files out, status reports and statements in.

The rows are the bank rail's memory: which key is in which file, and what the bank said about it. A key is in one file
that may be handed over, and never in another one before the bank refused it or the file was provably not handed over.
Contents name accounts in full, so they are sealed like payout details.
"""

from __future__ import annotations

import datetime as dt
from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core import guards, history
from core.public import CadreModel, PublicIdField, Wall
from core.states import Transitions


class BankFileQuerySet(models.QuerySet["BankFile"]):
    """Payment files."""

    def unanswered(self, *, handed_over_by: dt.datetime, written_by: dt.datetime) -> BankFileQuerySet:
        """Handed over so long ago, or written so long ago and not handed over, without a word of the bank."""
        return self.filter(
            Q(status="handed_over", handed_over_at__lte=handed_over_by)
            | Q(status__in=("written", "sending"), created_at__lte=written_by)
        )


@history.tracked(exclude=["sealed_content"])
class BankFile(CadreModel):
    """A pain.001 of ours: ``written → sending → handed_over → accepted | rejected``, or ``written → withdrawn``.

    It is committed before the channel sees it. ``sending`` means that the hand-over began and nobody knows how it
    ended: the same bytes are handed over again, and the bank knows them by their message id. Only a ``written`` file
    was provably never handed over.
    """

    class Status(models.TextChoices):
        """How far it is."""

        WRITTEN = "written", _("written, not handed over")
        SENDING = "sending", _("being handed over")
        HANDED_OVER = "handed_over", _("handed over, no answer yet")
        ACCEPTED = "accepted", _("accepted by the bank")
        REJECTED = "rejected", _("refused by the bank")
        WITHDRAWN = "withdrawn", _("withdrawn before it was handed over")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.WRITTEN: {Status.SENDING, Status.WITHDRAWN},
        Status.SENDING: {Status.HANDED_OVER, Status.WRITTEN, Status.ACCEPTED, Status.REJECTED},
        Status.HANDED_OVER: {Status.ACCEPTED, Status.REJECTED},
        Status.ACCEPTED: {Status.REJECTED},
        Status.REJECTED: set(),
        Status.WITHDRAWN: set(),
    }
    MAY_BE_EXECUTED: ClassVar[tuple[str, ...]] = ("sending", "handed_over", "accepted")

    wall = Wall.PLATFORM

    public_id = PublicIdField(prefix="bkf")
    provider = models.CharField(max_length=30)
    message_id = models.CharField(max_length=35, unique=True, help_text=_("MsgId: the same batch has the same one."))
    version = models.CharField(max_length=20, help_text=_("Version of the message, pain.001.001.09."))
    sha256 = models.CharField(max_length=64)
    sealed_content = models.BinaryField()
    orders = models.PositiveIntegerField(help_text=_("How many transfers it holds."))
    total_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    execute_on = models.DateField(help_text=_("Requested execution date."))
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.WRITTEN)
    code = models.CharField(max_length=40, blank=True, help_text=_("The bank's word: PART, or why it refused."))
    reason = models.CharField(max_length=300, blank=True, help_text=_("What a person decided about it, and why."))
    deliveries = models.PositiveIntegerField(default=0, help_text=_("How often it was given to the channel."))
    handed_over_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)

    objects = BankFileQuerySet.as_manager()

    class Meta:
        verbose_name = _("payment file")
        permissions = (("handle_bankfile", _("Can exchange files with the bank and decide about them")),)
        constraints = (models.CheckConstraint(condition=Q(total_minor__gt=0), name="payments_bankfile_positive"),)

    def __str__(self) -> str:
        return self.message_id


@history.tracked()
class BankTransfer(CadreModel):
    """One order of ours at the bank: ``waiting → filed → accepted → booked → returned``.

    ``rejected`` and ``barred`` prove that it is not executed. It goes back to ``waiting`` only with a file that was
    withdrawn before anybody could hand it over.
    """

    class Status(models.TextChoices):
        """What the bank did."""

        WAITING = "waiting", _("in no file")
        FILED = "filed", _("in a file")
        ACCEPTED = "accepted", _("accepted by the bank")
        REJECTED = "rejected", _("refused by the bank")
        BOOKED = "booked", _("booked by the bank")
        RETURNED = "returned", _("came back")
        BARRED = "barred", _("never to be sent")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.WAITING: {Status.FILED, Status.BARRED},
        Status.FILED: {Status.WAITING, Status.BARRED, Status.ACCEPTED, Status.REJECTED, Status.BOOKED},
        Status.ACCEPTED: {Status.REJECTED, Status.BOOKED},
        Status.REJECTED: set(),
        Status.BOOKED: {Status.RETURNED},
        Status.RETURNED: set(),
        Status.BARRED: set(),
    }

    wall = Wall.PLATFORM

    file = models.ForeignKey(BankFile, on_delete=models.PROTECT, null=True, blank=True, related_name="transfers")
    provider = models.CharField(max_length=30)
    key = models.CharField(max_length=60, unique=True, help_text=_("The attempt's key."))
    end_to_end_id = models.CharField(max_length=35, unique=True, help_text=_("The key as the bank repeats it."))
    payout_id = models.CharField(max_length=40, blank=True, help_text=_("Public id of the payout."))
    request_hash = models.CharField(max_length=64, blank=True)
    account = models.CharField(max_length=40, blank=True, help_text=_("Country and last four characters."))
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3, blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    code = models.CharField(max_length=40, blank=True, help_text=_("Why it was refused or came back."))
    changed_at = models.DateTimeField()

    class Meta:
        verbose_name = _("bank transfer")
        constraints = (
            models.CheckConstraint(
                condition=Q(status__in=("waiting", "barred")) | Q(file__isnull=False), name="payments_transfer_filed"
            ),
        )
        indexes = (models.Index(fields=("provider", "changed_at"), name="payments_transfer_changed"),)

    def __str__(self) -> str:
        return self.end_to_end_id


class BankMessageQuerySet(models.QuerySet["BankMessage"]):
    """Files from the bank."""

    def waiting(self) -> BankMessageQuerySet:
        """Those that a person has to look into: refused and handled by nobody, or read and impossible to apply.

        A second copy of the very same bytes asks for nothing.
        """
        refused = Q(status="refused", handled_at=None) & ~Q(problem=BankMessage.SAME_BYTES)
        return self.filter(refused | Q(status="received", problem=BankMessage.CANNOT_APPLY))

    def held(self) -> BankMessageQuerySet:
        """Those that a person brought and another has to admit or refuse."""
        return self.filter(status="held")


class BroughtByTwo(guards.Guard):
    """Who brought a file stays said, by name or as the bank's own road; a person's file is only admitted while it waits.

    With the CHECKs nothing that a person brought is ever `received` or `applied` without another person's name.
    """

    when = pgtrigger.Before
    operation = pgtrigger.Insert | pgtrigger.Update
    func = """
        IF TG_OP = 'INSERT' THEN
            IF (NEW.bringer_id IS NULL) = starts_with(NEW.brought_by, 'user:')
                OR (NEW.bringer_id IS NOT NULL AND NEW.status NOT IN ('held', 'refused')) THEN
                RAISE EXCEPTION 'What a person brings waits for another.'
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_bankmessage_by_two';
            END IF;
        ELSIF ROW(NEW.provider, NEW.sha256, NEW.size, NEW.brought_by, NEW.bringer_id)
                IS DISTINCT FROM ROW(OLD.provider, OLD.sha256, OLD.size, OLD.brought_by, OLD.bringer_id)
            OR (ROW(NEW.admitted_by_id, NEW.admitted_at) IS DISTINCT FROM ROW(OLD.admitted_by_id, OLD.admitted_at)
                AND NOT (OLD.status = 'held' AND NEW.status = 'received'))
            OR (NEW.status <> OLD.status AND (OLD.status IN ('applied', 'refused') OR NEW.status = 'held')) THEN
            RAISE EXCEPTION 'A file of the bank stays what it was when it came.'
                USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NEW;
    """


@history.tracked(exclude=["sealed_content"])
class BankMessage(CadreModel):
    """A file from the bank: ``received → applied | refused``, or ``held → received | refused`` when a person brought it.

    A ``held`` file has no effect before another person admits it. Refused ones are kept, with the reason, for people.
    Somebody handles a refused one once: he had it read again, or says why nothing is left to do.
    """

    SAME_BYTES: ClassVar[str] = "duplicate"
    CANNOT_APPLY: ClassVar[str] = "cannot_apply"

    class Status(models.TextChoices):
        """What became of it."""

        HELD = "held", _("waits for a second person")
        RECEIVED = "received", _("received")
        APPLIED = "applied", _("applied")
        REFUSED = "refused", _("refused")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.HELD: {Status.RECEIVED, Status.REFUSED},
        Status.RECEIVED: {Status.APPLIED, Status.REFUSED},
        Status.APPLIED: set(),
        Status.REFUSED: set(),
    }

    wall = Wall.PLATFORM

    public_id = PublicIdField(prefix="bkm")
    provider = models.CharField(max_length=30)
    name = models.CharField(max_length=200, help_text=_("The file's name."))
    kind = models.CharField(max_length=20, blank=True, help_text=_("camt.053 and the like."))
    message_id = models.CharField(max_length=60, blank=True)
    sha256 = models.CharField(max_length=64)
    size = models.PositiveIntegerField(help_text=_("Bytes; one that is too large is not kept here."))
    sealed_content = models.BinaryField()
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.HELD)
    problem = models.CharField(max_length=40, blank=True, help_text=_("Why it was refused."))
    detail = models.CharField(max_length=300, blank=True)
    brought_by = models.CharField(max_length=80, help_text=_("Job or person that brought it."))
    bringer = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("Who brought it by hand; nobody where the bank's own road did."),
    )
    admitted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    admitted_at = models.DateTimeField(null=True, blank=True)
    applied_at = models.DateTimeField(null=True, blank=True)
    handled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    handled_at = models.DateTimeField(null=True, blank=True)
    handled_note = models.CharField(max_length=300, blank=True, help_text=_("What a person did about its refusal."))

    objects = BankMessageQuerySet.as_manager()

    class Meta:
        verbose_name = _("file from the bank")
        verbose_name_plural = _("files from the bank")
        constraints = (
            models.CheckConstraint(
                condition=Q(handled_at=None, handled_by=None, handled_note="")
                | (Q(status="refused", handled_at__isnull=False, handled_by__isnull=False) & ~Q(handled_note="")),
                name="payments_bankmessage_handled_by_whom",
            ),
            models.CheckConstraint(
                condition=Q(bringer=None)
                | Q(status__in=("held", "refused"))
                | (Q(admitted_by__isnull=False) & ~Q(admitted_by=F("bringer"))),
                name="payments_bankmessage_by_two",
            ),
            models.CheckConstraint(
                condition=Q(admitted_by=None, admitted_at=None)
                | Q(bringer__isnull=False, admitted_by__isnull=False, admitted_at__isnull=False),
                name="payments_bankmessage_admitted_by_whom",
            ),
            models.CheckConstraint(
                condition=~Q(status="held") | Q(bringer__isnull=False, admitted_by=None),
                name="payments_bankmessage_held_of_whom",
            ),
            models.UniqueConstraint(
                fields=("provider", "message_id"),
                condition=~Q(status__in=("held", "refused")),
                name="payments_bankmessage_id_once",
            ),
            models.UniqueConstraint(
                fields=("provider", "sha256"),
                condition=~Q(status__in=("held", "refused")),
                name="payments_bankmessage_bytes_once",
            ),
            models.UniqueConstraint(
                fields=("provider", "sha256"), condition=Q(status="held"), name="payments_bankmessage_held_once"
            ),
        )
        triggers = (BroughtByTwo(name="brought_by_two"),)

    def __str__(self) -> str:
        return self.message_id or self.name
