"""Files an expert uploaded as proof."""

from __future__ import annotations

from typing import ClassVar, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import CadreModel, OwnedQuerySet, PublicIdField, Wall
from core.states import Transitions
from experts.models.expert import Expert


class DocumentQuerySet(OwnedQuerySet["Document"]):
    """Documents."""

    def clean(self) -> Self:
        """Those that may be opened."""
        return self.filter(status=Document.Status.CLEAN)


@history.tracked()
class Document(CadreModel):
    """One uploaded file: quarantined until the scanner has seen it, never served under the name it came with.

    quarantined → clean | infected
    """

    class Status(models.TextChoices):
        """Whether it may be opened."""

        QUARANTINED = "quarantined", _("in quarantine")
        CLEAN = "clean", _("clean")
        INFECTED = "infected", _("infected")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.QUARANTINED: {Status.CLEAN, Status.INFECTED},
        Status.CLEAN: set(),
        Status.INFECTED: set(),
    }

    wall = Wall.EXPERT

    public_id = PublicIdField(prefix="doc", random=True)
    expert = models.ForeignKey(Expert, on_delete=models.PROTECT, related_name="documents")
    name = models.CharField(_("name it came with"), max_length=200)
    storage_name = models.CharField(max_length=200, unique=True, editable=False)
    media_type = models.CharField(_("media type"), max_length=100)
    size = models.PositiveIntegerField(_("bytes"))
    sha256 = models.CharField(max_length=64)
    status = models.CharField(_("status"), max_length=20, choices=Status.choices, default=Status.QUARANTINED)
    finding = models.CharField(_("what the scanner found"), max_length=200, blank=True)
    scanned_at = models.DateTimeField(_("scanned at"), null=True, blank=True)

    objects = DocumentQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        indexes = (
            models.Index(fields=("id",), condition=models.Q(status="quarantined"), name="experts_document_waiting"),
        )

    def __str__(self) -> str:
        return self.name
