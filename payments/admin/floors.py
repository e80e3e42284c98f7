"""The wage floor at the desk: what weeks paid an hour, and what was added to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from core.desk import CadreAdmin
from core.money import SECONDS_PER_HOUR, Money, divide_half_up
from marketplace.public import planned_hourly_rate
from payments.models import FloorCheck, TrueUp
from payments.operations.pay import true_ups

if TYPE_CHECKING:
    from marketplace.public import RateSnapshot


@admin.register(TrueUp)
class TrueUpAdmin(CadreAdmin):
    """What was added, and how it was computed."""

    list_display = ("public_id", "expert", "contract", "country", "amount", "paid_by", "posted_at")
    list_filter = ("paid_by", "currency", "country")
    search_fields = ("public_id", "expert__legal_name", "expert__public_id", "contract__public_id")
    list_select_related = ("expert", "contract")
    readonly_fields = ("explanation",)

    @admin.display(description=_("explanation"))
    def explanation(self, row: TrueUp) -> str:
        """In words."""
        return true_ups.explain(row)


@admin.register(FloorCheck)
class FloorCheckAdmin(CadreAdmin):
    """Decided weeks: what an hour truly paid beside what the terms said and planned; without a floor nothing is due."""

    list_display = (
        "timesheet",
        "expert",
        "country",
        "earned",
        "nominal_rate",
        "planned_hourly_rate",
        "effective_rate",
        "least",
        "added",
        "checked_at",
    )
    list_filter = ("country", "currency", ("due_minor", admin.EmptyFieldListFilter))
    search_fields = ("timesheet__public_id", "expert__legal_name", "expert__public_id")
    list_select_related = ("timesheet", "expert")

    @admin.display(description=_("pay"), ordering="gross_minor")
    def earned(self, row: FloorCheck) -> str:
        """For the hours."""
        return str(Money(row.gross_minor, row.currency))

    def get_queryset(self, request: HttpRequest) -> QuerySet[FloorCheck]:
        """With the terms of each contract, read once for the page."""
        rows: QuerySet[FloorCheck] = super().get_queryset(request)
        return rows.prefetch_related("timesheet__contract__snapshots")

    @admin.display(description=_("agreed rate"))
    def nominal_rate(self, row: FloorCheck) -> str:
        """An hour of paid work, at the end of the week."""
        return str(_terms(row).rate)

    @admin.display(description=_("planned hourly rate"))
    def planned_hourly_rate(self, row: FloorCheck) -> str:
        """What an hour of the first two weeks was planned to pay, unpaid and capped time counted in."""
        terms = _terms(row)
        return str(Money(planned_hourly_rate(terms), terms.currency))

    @admin.display(description=_("effective rate"))
    def effective_rate(self, row: FloorCheck) -> str:
        """Pay with what was added, over all working time."""
        if not row.worked_seconds:
            return "–"
        total = (row.gross_minor + row.added_minor) * SECONDS_PER_HOUR
        return str(Money(divide_half_up(total, row.worked_seconds), row.currency))

    @admin.display(description=_("least pay"))
    def least(self, row: FloorCheck) -> str:
        """What the floor asks for."""
        return "–" if row.due_minor is None else str(Money(row.due_minor, row.currency))

    @admin.display(description=_("added"))
    def added(self, row: FloorCheck) -> str:
        """Up to the floor."""
        return str(Money(row.added_minor, row.currency))


def _terms(row: FloorCheck) -> RateSnapshot:
    """The terms in force when the week ended, out of those that were read with it."""
    sheet = row.timesheet
    snapshots: list[Any] = sorted(sheet.contract.snapshots.all(), key=lambda terms: terms.valid.lower)
    in_force = [terms for terms in snapshots if terms.valid.lower < sheet.ends_at]
    found: RateSnapshot = (in_force or snapshots[:1])[-1]
    return found
