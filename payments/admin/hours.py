"""Weeks, entries and time over caps. Approved hours are looked at, never edited."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core import clock
from core.desk import CadreAdmin, ReadOnlyInline, confirmed, principal_of, register_queue, staff
from core.durations import format_clock, parse_clock
from core.money import Money, fee_for, pay_for
from core.problems import InvalidInput
from payments.admin.adjustments import ADJUST, money_from
from payments.admin.periods import WeekFilter, periods
from payments.admin.staff import fresh_proof, require_proof
from payments.models import Overage, TimeEntry, Timesheet
from payments.models.timesheet import TimesheetQuerySet
from payments.operations.hours import counted_hours, overages, timesheets
from payments.operations.pay import adjustments, clawbacks
from payments.queries.explanation import price_of

APPROVE = "payments.approve_timesheet"
OVERAGE = "payments.decide_overage"
CORRECT = "payments.correct_hours"
OF_CONTRACT = (
    "contract__public_id", "contract__project__public_id", "contract__project__name", "tenant__name",
    "expert__legal_name", "expert__public_id",
)  # fmt: skip
HOW_MUCH = _("How much counts, such as 6:40")
WORDS = _("How much counts, such as 6:40; or all, or none")


def cost_of_week(sheet: Timesheet) -> Money | None:
    """What approving a week costs its lab now, with the fee: nothing for what stays behind."""
    entries = sheet.entries.filter(status=TimeEntry.Status.SUBMITTED, overage_seconds=0).select_related("snapshot")
    costs = [
        Money(price.gross_minor + price.fee_minor, entry.snapshot.currency)
        for entry in entries
        for price in [price_of(entry)]
    ]
    return Money.total(costs, costs[0].currency) if costs else None


def week_of(sheet: Timesheet) -> str:
    """What a confirmation says about a week: whose, for whom, and how long; the sum beside it is what counts of it now."""
    return gettext("%(id)s: %(expert)s, %(week)s, for %(lab)s (%(project)s). Billable: %(worked)s") % {
        "id": sheet.public_id,
        "expert": sheet.expert,
        "week": sheet.iso_week,
        "lab": sheet.tenant,
        "project": sheet.contract.project,
        "worked": format_clock(vars(sheet).get("total_seconds", 0)),
    }


def cost_of_seconds(entry: TimeEntry, seconds: int) -> Money:
    """What so many seconds of an entry cost the lab, with the fee."""
    gross = pay_for(seconds, entry.snapshot.rate_minor)
    return Money(gross + fee_for(gross, entry.snapshot.fee_bp), entry.snapshot.currency)


def time_from(text: str) -> int:
    """Seconds of "6:40". Raises InvalidInput."""
    try:
        return parse_clock(text)
    except ValueError:
        detail = gettext("A time is written as hours and minutes, such as 6:40; with seconds, such as 6:40:30.")
        raise InvalidInput(detail) from None


def stretch(entry: TimeEntry) -> str:
    """What a confirmation says about a stretch of work: whose, when, and how much of it counts now."""
    return gettext("%(id)s: %(expert)s, %(day)s, %(activity)s. Entered: %(entered)s, counts now: %(counted)s") % {
        "id": entry.public_id,
        "expert": entry.expert,
        "day": entry.local_day,
        "activity": entry.get_activity_display(),
        "entered": format_clock(counted_hours.measured(entry)),
        "counted": format_clock(counted_hours.counted_now(entry)),
    }


class EntryInline(ReadOnlyInline):
    """The stretches of a week."""

    model = TimeEntry
    show_change_link = True
    fields = (
        "local_day",
        "activity",
        "source",
        "status",
        "seconds",
        "unconfirmed_seconds",
        "overage_seconds",
        "disallowed_seconds",
        "reason",
        "gross_minor",
        "currency",
    )
    readonly_fields = fields


@admin.register(Timesheet)
class TimesheetAdmin(CadreAdmin):
    """The most urgent first; silence past the lab's window approves."""

    list_display = (
        "iso_week", "expert", "tenant", "project", "contract", "status", "worked", "cost", "submit_by", "approve_by",
    )  # fmt: skip
    list_filter = ("status", WeekFilter, periods("decided_at", _("decided")))
    search_fields = ("public_id", *OF_CONTRACT)
    list_select_related = ("expert", "contract__project", "tenant")
    ordering = ("approve_by", "-pk")
    inlines = (EntryInline,)
    actions = ("approve",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Timesheet]:
        """Weeks with their totals."""
        rows: TimesheetQuerySet = super().get_queryset(request)
        return rows.with_totals()

    @admin.display(description=_("project"))
    def project(self, sheet: Timesheet) -> str:
        """What was worked on."""
        return str(sheet.contract.project)

    @admin.display(description=_("billable"))
    def worked(self, sheet: Timesheet) -> str:
        """Billable time."""
        return format_clock(vars(sheet).get("total_seconds", 0))

    @admin.display(description=_("cost with fee"))
    def cost(self, sheet: Timesheet) -> str:
        """What the whole week costs the lab."""
        row = vars(sheet)
        if not row.get("pay_currency"):
            return "–"
        return str(Money(row["total_minor"] + row["total_fee_minor"], row["pay_currency"]))

    @confirmed(
        description=_("Approve for the lab"),
        effect=_(
            "The hours of the week are owed to the expert from now on, and the lab pays them with the fee: all but what "
            "is contested, or over a cap and undecided."
        ),
        permission=APPROVE,
        amount=cost_of_week,
        about=week_of,
    )
    def approve(self, request: HttpRequest, sheet: Timesheet) -> None:
        """Its hours are owed from now on."""
        timesheets.approve(timesheet=sheet, decided_by=staff(request), by=principal_of(request), now=clock.now())


@admin.register(TimeEntry)
class TimeEntryAdmin(CadreAdmin):
    """Every stretch of work, with where its seconds went."""

    list_display = (
        "public_id", "expert", "tenant", "contract", "activity", "local_day", "source", "status", "worked", "pay",
    )  # fmt: skip
    list_filter = (
        "status", "activity", "source", periods("local_day", _("week"), name="week", by_week=True),
        periods("local_day", _("day")),
    )  # fmt: skip
    search_fields = ("public_id", "claim__public_id", *OF_CONTRACT)
    list_select_related = ("expert", "tenant", "contract", "snapshot")
    actions = ("correct", "take_back")

    @admin.display(description=_("billable"), ordering="seconds")
    def worked(self, entry: TimeEntry) -> str:
        """Billable time."""
        return format_clock(entry.seconds)

    @admin.display(description=_("pay"))
    def pay(self, entry: TimeEntry) -> str:
        """Final once approved, an estimate before."""
        amount = Money(price_of(entry).gross_minor, entry.snapshot.currency)
        return str(amount) if entry.is_settled else f"≈ {amount}"

    @confirmed(
        description=_("Correct approved hours"),
        effect=_(
            "The hours are booked anew with what you say; the difference is paid or set off later. The expert is told "
            "the reason, and may contest hours that are taken away. Above the threshold another person has to approve "
            "it first."
        ),
        permission=CORRECT,
        reason=True,
        asks=WORDS,
        about=stretch,
        amount=lambda entry: Money(price_of(entry).gross_minor, entry.snapshot.currency),
        proof=fresh_proof,
    )
    def correct(self, request: HttpRequest, entry: TimeEntry, *, reason: str, given: str) -> object:
        """By an adjustment: the journal is reversed and posted anew, the entry stays as it was approved. Takes a fresh proof."""
        require_proof(request)
        words = {"all": counted_hours.measured(entry), "none": 0}
        counted = words[given] if given in words else time_from(given)
        return adjustments.request_correction(
            entry=entry, counted=counted, reason=reason, decided_by=staff(request), now=clock.now()
        )

    @confirmed(
        description=_("Take pay back for the lab"),
        effect=_(
            "What is taken back goes to the lab with the fee on it, and is set off against the expert's later pay, never "
            "collected. The expert is told the reason and may contest it. Above the threshold another person has to "
            "approve it first."
        ),
        permission=ADJUST,
        reason=True,
        asks=_("How much to take back of each, such as 150.00"),
        each=lambda entry, given: money_from(given, entry.snapshot.currency),
        about=stretch,
        amount=lambda entry: Money(price_of(entry).gross_minor, entry.snapshot.currency),
        proof=fresh_proof,
    )
    def take_back(self, request: HttpRequest, entry: TimeEntry, *, reason: str, given: str) -> object:
        """With the fee on it; netted against later pay, never collected. Takes a fresh proof."""
        require_proof(request)
        return clawbacks.claw_back(
            source=entry,
            amount=money_from(given, entry.snapshot.currency),
            reason=reason,
            decided_by=staff(request),
            now=clock.now(),
        )


@admin.register(Overage)
class OverageAdmin(CadreAdmin):
    """The most urgent first; silence past the clock approves."""

    list_display = ("public_id", "expert", "cap", "time", "cost", "status", "decide_by", "decided_by")
    list_filter = ("status", "cap")
    search_fields = ("public_id", "entry__public_id", "tenant__name", "expert__legal_name", "expert__public_id")
    list_select_related = ("expert", "entry__snapshot", "decided_by")
    ordering = ("decide_by",)
    actions = ("approve", "decline")

    @admin.display(description=_("time"), ordering="seconds")
    def time(self, overage: Overage) -> str:
        """How long."""
        return format_clock(overage.seconds)

    @admin.display(description=_("cost with fee"))
    def cost(self, overage: Overage) -> str:
        """What it would cost the lab."""
        return str(cost_of_seconds(overage.entry, overage.seconds))

    @confirmed(
        description=_("Approve for the lab"),
        effect=_("The time counts and is paid with its week, and the lab pays for it. The expert is told."),
        permission=OVERAGE,
        amount=lambda overage: cost_of_seconds(overage.entry, overage.seconds),
    )
    def approve(self, request: HttpRequest, overage: Overage) -> None:
        """It is paid with its week."""
        overages.approve(overage=overage, decided_by=staff(request), now=clock.now())

    @confirmed(
        description=_("Decline"),
        effect=_(
            "The time is not paid and stays visible as disallowed. The expert is told the reason and may contest it."
        ),
        permission=OVERAGE,
        reason=True,
        amount=lambda overage: cost_of_seconds(overage.entry, overage.seconds),
    )
    def decline(self, request: HttpRequest, overage: Overage, *, reason: str) -> None:
        """With a decision that the expert may contest."""
        overages.decline(overage=overage, decided_by=staff(request), note=reason, now=clock.now())


def _weeks() -> QuerySet[Timesheet]:
    return Timesheet.objects.filter(status=Timesheet.Status.SUBMITTED)


def _overages() -> QuerySet[Overage]:
    return Overage.objects.filter(status=Overage.Status.OPEN)


register_queue(
    name="payments.timesheets",
    label=_("Hours to approve"),
    path="/admin/payments/timesheet/?status__exact=submitted",
    permission=APPROVE,
    waiting=_weeks,
    since="submitted_at",
)
register_queue(
    name="payments.overages",
    label=_("Time over caps"),
    path="/admin/payments/overage/?status__exact=open",
    permission=OVERAGE,
    waiting=_overages,
)
