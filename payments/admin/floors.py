"""The wage floor at the desk: what weeks paid an hour, and what was added to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core import clock
from core.desk import CadreAdmin, register_panel
from core.durations import format_clock
from core.money import Money
from marketplace.public import planned_hourly_rate
from payments.models import FloorCheck, TrueUp
from payments.operations.pay import true_ups
from payments.queries import effective_rates

if TYPE_CHECKING:
    from marketplace.public import Contract, RateSnapshot


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
    search_fields = (
        "timesheet__public_id",
        "timesheet__contract__public_id",
        "expert__legal_name",
        "expert__public_id",
    )
    list_select_related = ("timesheet", "expert")

    @admin.display(description=_("pay"), ordering="gross_minor")
    def earned(self, row: FloorCheck) -> str:
        """For the hours."""
        return str(Money(row.gross_minor, row.currency))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """With what the contracts' weeks paid, counted once for the page as the API counts it."""
        found = super().get_changelist_instance(request)
        rows = list(found.result_list)
        contracts = list({row.timesheet.contract_id: row.timesheet.contract for row in rows}.values())
        rates = effective_rates.of_contracts(contracts, now=clock.now()) if contracts else {}
        for row in rows:
            weeks = rates[row.timesheet.contract_id].weeks
            vars(row)["paid_week"] = next((week for week in weeks if week.week == row.timesheet.iso_week), None)
        found.result_list = rows
        return found

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
        """All pay of the week with what was added, over all time tracked in it: what expert and lab are shown."""
        week: effective_rates.WeekRate | None = vars(row)["paid_week"]
        minor = None if week is None else week.hourly_minor
        return "–" if minor is None else str(Money(minor, row.currency))

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


def hourly_rates(contract: Contract) -> str:
    """What an hour pays by the terms in force, what it was planned to pay, and what it paid, over all decided weeks."""
    found = effective_rates.of_contract(contract, now=clock.now())
    terms, total, actual = found.terms, found.total, found.hourly()
    lines = [
        gettext("Agreed: %(rate)s") % {"rate": terms.rate},
        gettext("Planned, for the first two weeks: %(rate)s")
        % {"rate": Money(planned_hourly_rate(terms), terms.currency)},
        gettext("Actual: %(rate)s") % {"rate": gettext("no week was decided yet") if actual is None else actual},
    ]
    if actual is not None:
        told = gettext("Tracked: %(tracked)s, unpaid of it: %(unpaid)s. Earned: %(earned)s, added: %(added)s") % {
            "tracked": format_clock(total.tracked_seconds),
            "unpaid": format_clock(total.unpaid_seconds),
            "earned": Money(total.earned_minor, terms.currency),
            "added": Money(total.added_minor, terms.currency),
        }
        lines.append(told)
    return "\n".join(lines)


register_panel(
    model="marketplace.contract",
    label=_("an hour, all in"),
    permission="payments.view_floorcheck",
    tell=hourly_rates,
)
