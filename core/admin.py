"""The kernel's tables on the operators' desk."""

from __future__ import annotations

from django.contrib import admin

from core.desk import CadreAdmin
from core.models import AccessToken, Event, EventHandling, Operation, Tenant, User


@admin.register(User)
class UserAdmin(CadreAdmin):
    """People who log in."""

    list_display = ("email", "name", "is_active", "is_staff", "created_at")
    list_filter = ("is_staff", "is_active", "groups")
    search_fields = ("email", "name", "public_id")
    exclude = ("password",)


@admin.register(Tenant)
class TenantAdmin(CadreAdmin):
    """Both sides of every lab."""

    list_display = ("name", "public_id", "live", "created_at")
    search_fields = ("name", "public_id")


@admin.register(AccessToken)
class AccessTokenAdmin(CadreAdmin):
    """Keys, of which only a hash is stored."""

    list_display = ("prefix", "kind", "name", "tenant", "user", "expires_at", "revoked_at", "last_used_at")
    list_filter = ("kind",)
    search_fields = ("public_id", "prefix", "name")
    exclude = ("digest",)


@admin.register(Event)
class EventAdmin(CadreAdmin):
    """News."""

    list_display = ("name", "subject", "tenant", "actor", "occurred_at")
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
    list_filter = ("state", "kind")
    search_fields = ("public_id",)
