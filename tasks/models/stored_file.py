"""Files that labs attach to tasks."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import Kind, Principal, PublicIdField, TenantModel, WalledQuerySet
from tasks.models.claim import Claim
from tasks.models.task import Task


class StoredFileQuerySet(WalledQuerySet["StoredFile"]):
    """A lab sees its own, an expert those of tasks he has claimed, the platform all."""

    def visible_to(self, principal: Principal) -> Self:
        """As everywhere, but an expert's files are those of tasks he has a claim on."""
        if principal.kind is Kind.EXPERT and principal.subject_id is not None:
            claimed = Claim.objects.filter(task__files__file=OuterRef("pk"), expert=principal.subject_id)
            return self.filter(Exists(claimed))
        return super().visible_to(principal)


@history.tracked()
class StoredFile(TenantModel):
    """An uploaded file, stored under a random name and referred to by its id and SHA-256."""

    public_id = PublicIdField(prefix="fil")
    name = models.CharField(max_length=200, help_text=_("As its uploader called it."))
    storage_name = models.CharField(max_length=200)
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    media_type = models.CharField(max_length=100)
    uploaded_by = models.CharField(max_length=80)

    objects = StoredFileQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        verbose_name = _("file")
        verbose_name_plural = _("files")

    def __str__(self) -> str:
        return self.name


class TaskFile(TenantModel):
    """A task's payload refers to this file."""

    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="files")
    file = models.ForeignKey(StoredFile, on_delete=models.PROTECT, related_name="tasks")

    class Meta:
        verbose_name = _("file of a task")
        verbose_name_plural = _("files of tasks")
        constraints = (models.UniqueConstraint(fields=("task", "file"), name="tasks_taskfile_once"),)

    def __str__(self) -> str:
        return f"{self.file_id} of {self.task_id}"
