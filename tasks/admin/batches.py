"""Batches, tasks, files and deliveries, to look at."""

from __future__ import annotations

import json

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from core.desk import CadreAdmin
from tasks.models import Batch, Delivery, StoredFile, Task
from tasks.queries import task_counts


@admin.register(Batch)
class BatchAdmin(CadreAdmin):
    """What labs have posted."""

    list_display = ("name", "public_id", "tenant", "project", "status", "overlap", "created_at", "finished_at")
    list_filter = ("status", "overlap")
    search_fields = ("public_id", "name", "external_id", "project__public_id", "project__name")
    list_select_related = ("tenant", "project")
    readonly_fields = ("tasks_by_state",)

    @admin.display(description=_("tasks"))
    def tasks_by_state(self, batch: Batch) -> str:
        """How many are in which state."""
        return ", ".join(f"{Task.Status(state).label}: {count}" for state, count in task_counts(batch=batch).items())


@admin.register(Task)
class TaskAdmin(CadreAdmin):
    """Every item of work."""

    list_display = ("public_id", "type", "batch", "status", "review_side", "review_by", "created_at", "finished_at")
    list_filter = ("status", "type", "review_side")
    search_fields = ("public_id", "external_id", "batch__public_id", "batch__name")
    list_select_related = ("batch",)
    exclude = ("payload", "reference", "rater_agreement")
    readonly_fields = ("sent", "answer", "agreement")

    @admin.display(description=_("payload"))
    def sent(self, task: Task) -> SafeString:
        """What the lab sent."""
        return _json(task.payload)

    @admin.display(description=_("reference"))
    def answer(self, task: Task) -> SafeString:
        """The lab's gold or published answer."""
        return _json(task.reference)

    @admin.display(description=_("inter-rater agreement"))
    def agreement(self, task: Task) -> SafeString:
        """What the graders had in common."""
        return _json(task.rater_agreement)


@admin.register(Delivery)
class DeliveryAdmin(CadreAdmin):
    """What left, with its hash."""

    list_display = ("public_id", "tenant", "project", "format", "status", "items", "size", "sha256", "ready_at")
    list_filter = ("status", "format")
    search_fields = ("public_id", "sha256", "project__public_id")
    list_select_related = ("tenant", "project")
    exclude = ("manifest", "storage_name")
    readonly_fields = ("manifest_text",)

    @admin.display(description=_("manifest"))
    def manifest_text(self, delivery: Delivery) -> SafeString:
        """What is in it and what is not."""
        return _json(delivery.manifest)


@admin.register(StoredFile)
class StoredFileAdmin(CadreAdmin):
    """Files that labs attached to tasks."""

    list_display = ("name", "public_id", "tenant", "media_type", "size", "created_at")
    list_filter = ("media_type",)
    search_fields = ("public_id", "name", "sha256")
    list_select_related = ("tenant",)
    exclude = ("storage_name",)


def _json(value: object) -> SafeString:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return format_html('<pre class="whitespace-pre-wrap text-xs">{}</pre>', text if value is not None else "–")
