"""The wall in people: conflict edges that operators declare, exposures that the domain writes."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.forms import ModelForm
from django.http import HttpRequest

from core import clock
from core.desk import CadreAdmin, staff
from marketplace.models import ConflictEdge, Exposure
from marketplace.operations import conflicts


class EdgeForm(ModelForm[ConflictEdge]):
    """The two sides may be given in either order."""

    def clean(self) -> dict[str, Any]:
        """Put them into the order in which they are stored."""
        given = super().clean() or {}
        low, high = given.get("tenant_low"), given.get("tenant_high")
        if low and high and low.pk > high.pk:
            given["tenant_low"], given["tenant_high"] = high, low
        return given


@admin.register(ConflictEdge)
class ConflictEdgeAdmin(CadreAdmin):
    """Which labs compete. An edge is declared and can be given an end; it is never deleted."""

    form = EdgeForm
    list_display = ("tenant_low", "tenant_high", "starts_on", "ends_on", "cooling_off_days")
    search_fields = ("tenant_low__name", "tenant_high__name")
    list_select_related = ("tenant_low", "tenant_high")
    autocomplete_fields = ("tenant_low", "tenant_high")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whoever may declare edges."""
        return request.user.has_perm("marketplace.add_conflictedge")

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Whoever may end them."""
        return request.user.has_perm("marketplace.change_conflictedge")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Of an edge that stands, only its end can be changed."""
        return ["tenant_low", "tenant_high", "starts_on", "cooling_off_days"] if obj else []

    def save_model(self, request: HttpRequest, obj: ConflictEdge, form: ModelForm[Any], change: bool) -> None:
        """One call of the domain."""
        if change:
            conflicts.end(edge=obj, on=obj.ends_on)
        else:
            declared = conflicts.declare(
                one=obj.tenant_low,
                other=obj.tenant_high,
                starts_on=obj.starts_on,
                ends_on=obj.ends_on,
                cooling_off_days=obj.cooling_off_days,
                declared_by=staff(request),
            )
            conflicts.enforce(now=clock.now())
            obj.pk = declared.pk


@admin.register(Exposure)
class ExposureAdmin(CadreAdmin):
    """Who saw which lab's work, from when to when."""

    list_display = ("expert", "user", "tenant_seen", "source", "subject", "starts_at", "ends_at")
    list_filter = ("source", ("ends_at", admin.EmptyFieldListFilter))
    search_fields = ("expert__legal_name", "expert__public_id", "subject", "tenant_seen__name")
    list_select_related = ("expert", "user", "tenant_seen")
