"""What an expert is told."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.public import CadreModel, OwnedQuerySet, PublicIdField, Wall
from experts.models.expert import Expert


class NoticeQuerySet(OwnedQuerySet["Notice"]):
    """Notices."""

    def unread(self) -> Self:
        """Not yet read."""
        return self.filter(read_at=None)


class Notice(CadreModel):
    """One message to one expert, with a link to where he can do something about it."""

    wall = Wall.EXPERT

    public_id = PublicIdField(prefix="ntc")
    expert = models.ForeignKey(Expert, on_delete=models.PROTECT, related_name="notices")
    kind = models.CharField(_("kind"), max_length=60)
    subject = models.CharField(_("about"), max_length=60, blank=True)
    title = models.CharField(_("title"), max_length=200)
    body = models.TextField(_("text"), blank=True)
    link = models.CharField(_("link"), max_length=300, blank=True)
    sent_at = models.DateTimeField(_("sent at"))
    read_at = models.DateTimeField(_("read at"), null=True, blank=True)

    objects = NoticeQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("expert", "-id"), name="experts_notice_of_expert"),)

    def __str__(self) -> str:
        return self.title
