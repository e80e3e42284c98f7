"""The kernel's tables on the operators' desk."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db import models

from core.desk import CadreAdmin
from core.models import AccessToken, Event, EventHandling, Operation, Tenant, User
from core.row_history import SHOWN, recent_history, recent_memberships


@admin.register(User)
class UserAdmin(CadreAdmin):
    """People who log in."""

    list_display = ("email", "name", "is_active", "is_staff", "created_at")
    list_filter = ("is_staff", "is_active", "groups")
    search_fields = ("email", "name", "public_id")
    exclude = ("password",)

    def history_of(self, obj: models.Model) -> list[dict[str, Any]]:
        """With the groups, the rights and the labs that he was let into, and taken out of."""
        members = {
            apps.get_model("core", f"{name}HistoryRow"): field
            for name, field in (("UserGroup", "group"), ("UserPermission", "permission"), ("TenantAccess", "tenant"))
        }
        rows = [*recent_history(obj), *recent_memberships(obj.pk, members)]
        return sorted(rows, key=lambda row: row["at"], reverse=True)[:SHOWN]


@admin.register(Tenant)
class TenantAdmin(CadreAdmin):
    """Both sides of every lab."""

    list_display = ("name", "public_id", "live", "created_at")
    search_fields = ("name", "public_id")


@admin.register(AccessToken)
class AccessTokenAdmin(CadreAdmin):
    """Keys, of which only a hash is stored."""

    list_display = ("prefix", "kind", "name", "tenant", "user", "expires_at", "revoked_at", "last_used_at")
    list_select_related = ("tenant", "user")
    list_filter = ("kind",)
    search_fields = ("public_id", "prefix", "name")
    exclude = ("digest",)


@admin.register(Event)
class EventAdmin(CadreAdmin):
    """News."""

    list_display = ("name", "subject", "tenant", "actor", "occurred_at")
    list_select_related = ("tenant",)
    list_filter = ("name",)
    search_fields = ("subject", "public_id")


@admin.register(EventHandling)
class EventHandlingAdmin(CadreAdmin):
    """Who still owes what to which event."""

    list_display = ("subscriber", "event", "attempts", "next_attempt_at", "done_at", "last_error")
    list_filter = ("subscriber", ("done_at", admin.EmptyFieldListFilter))


@admin.register(Operation)
class OperationAdmin(CadreAdmin):
    """Long work."""

    list_display = ("public_id", "kind", "state", "tenant", "total", "done", "failed", "created_at", "finished_at")
    list_select_related = ("tenant",)
    list_filter = ("state", "kind")
    search_fields = ("public_id",)
