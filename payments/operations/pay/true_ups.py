"""Top-ups to the wage floor: a decided week that pays less an hour than the law asks for is paid the difference, once."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from core import outbox, scope
from core.durations import in_words
from core.money import SECONDS_PER_HOUR, Money
from core.public import Tenant
from experts.ports import Contestable
from payments import accounts, ledger, wage_floors
from payments.ledger import Leg, NewEntry
from payments.models import Adjustment, Dispute, FloorCheck, Overage, TimeEntry, Timesheet, TrueUp
from payments.models.time_entry import SETTLED
from payments.operations.hours import hours_lock
from payments.operations.pay import pay_notices
from payments.operations.pay.pay_notices import PayNews
from payments.wage_floors import Day, Floor, Measure

KIND = "true_up"
LOOK_BACK = dt.timedelta(days=400)
"""How long after its decision a week is still looked at by the sweep; news reach it at any age."""


def floors() -> tuple[Floor, ...]:
    """The table in force: the one of the law, and behind it the operator's own rows, which win."""
    return (*wage_floors.FLOORS, *(wage_floors.read(line) for line in settings.WAGE_FLOORS))


def check(*, timesheet_id: int, now: dt.datetime) -> TrueUp | None:
    """Hold a decided week against the floor, and add what is missing; None when nothing is.

    Only time that is settled counts: an entry that is disputed or over a cap and undecided is looked at when it is
    decided. Running it again adds nothing; a week that was reduced since gets the difference, and nothing is ever taken
    back.
    """
    sheet = Timesheet.objects.filter(pk=timesheet_id).select_related("expert", "contract", "tenant").first()
    if sheet is None or not sheet.is_decided:
        return None
    hours_lock.take(sheet.expert_id)
    currency = _currency_of(sheet)
    if not currency:
        return None
    days, country = days_of(sheet), _country_of(sheet)
    found = wage_floors.measure(days, country=country, currency=currency, floors=floors())
    before = _added(sheet)
    missing = found.shortfall(given_minor=before) if found else 0
    true_up = _add(sheet, found, country, currency, before, missing, now=now) if found and missing else None
    FloorCheck.objects.update_or_create(
        timesheet=sheet,
        defaults={
            "tenant_id": sheet.tenant_id,
            "expert_id": sheet.expert_id,
            "country": country,
            "currency": currency,
            "worked_seconds": found.worked_seconds if found else sum(day.worked_seconds for day in days.values()),
            "gross_minor": found.gross_minor if found else sum(day.gross_minor for day in days.values()),
            "due_minor": found.due_minor if found else None,
            "added_minor": before + missing,
            "checked_at": now,
        },
    )
    return true_up


def above_floor(entry: TimeEntry) -> int | None:
    """Minor units of settled pay that can leave an entry's week before it pays less than its floor; None without one."""
    sheet, country = entry.timesheet, _country_of(entry.timesheet)
    if wage_floors.floor_on(country, entry.currency, entry.local_day, floors()) is None:
        return None
    found = wage_floors.measure(days_of(sheet), country=country, currency=entry.currency, floors=floors())
    return None if found is None else max(0, found.gross_minor + _added(sheet) - found.due_minor)


def days_of(timesheet: Timesheet, *, at: dt.datetime | None = None) -> dict[dt.date, Day]:
    """Settled time and pay of a week by the local day, with all posted corrections and what was taken back of it since
    and given again; as they stood at an instant.

    Working time is what counted, what the pay policy leaves unpaid, and what was refused for being over a cap; not what
    nobody confirmed, and not what a decided dispute found was not worked.
    """
    worked: dict[dt.date, int] = defaultdict(int)
    gross: dict[dt.date, int] = defaultdict(int)
    corrected = _corrections(timesheet, at=at)
    entries = timesheet.entries.filter(status__in=SETTLED, **({"approved_at__lte": at} if at else {}))
    for entry in entries.select_related("dispute").order_by("pk"):
        seconds, minor = corrected.get(entry.pk, (0, 0))
        counted = entry.seconds + seconds
        dispute = getattr(entry, "dispute", None)
        if dispute is None or (at is not None and dispute.created_at > at):
            counted = max(counted, entry.disallowed_seconds)  # a refused overage is an entry of its own
        worked[entry.local_day] += counted + entry.unpaid_seconds
        gross[entry.local_day] += (entry.gross_minor or 0) + minor
    return {day: Day(worked[day], gross[day]) for day in worked}


def days_behind(true_up: TrueUp) -> list[tuple[dt.date, Day, int]]:
    """The days that a top-up was measured by, as they stood then: each with its floor in minor units an hour."""
    found = days_of(true_up.timesheet, at=true_up.posted_at)
    dated = [(on, wage_floors.floor_on(true_up.country, true_up.currency, on, floors())) for on in sorted(found)]
    return [(on, found[on], floor) for on, floor in dated if floor is not None]


def stale(*, now: dt.datetime) -> QuerySet[Timesheet]:
    """Decided weeks that were never checked, or of which something was settled or corrected since."""
    entries = TimeEntry.objects.filter(timesheet=OuterRef("pk"))
    since = OuterRef("floor_check__checked_at")
    changed = Q(Exists(entries.filter(approved_at__gt=since)))
    changed |= Q(Exists(entries.filter(adjustments__decided_at__gt=since)))
    changed |= Q(Exists(entries.filter(adjustments__taken_by__decided_at__gt=since)))
    decided = Timesheet.objects.filter(
        status__in=(Timesheet.Status.APPROVED, Timesheet.Status.AUTO_APPROVED), decided_at__gte=now - LOOK_BACK
    )
    paid = entries.filter(status__in=SETTLED)
    return decided.filter(Exists(paid)).filter(Q(floor_check=None) | changed)


def week_of(subject: str) -> int | None:
    """The timesheet behind the public id of a week, an entry, an overage, a dispute or an adjustment."""
    prefix = subject.partition("_")[0]
    rows = {
        "tsh": Timesheet.objects.filter(public_id=subject).values_list("pk", flat=True),
        "tme": TimeEntry.objects.filter(public_id=subject).values_list("timesheet", flat=True),
        "ovg": Overage.objects.filter(public_id=subject).values_list("entry__timesheet", flat=True),
        "dsp": Dispute.objects.filter(public_id=subject).values_list("entry__timesheet", flat=True),
        "adj": Adjustment.objects.filter(public_id=subject).values_list(
            Coalesce("entry__timesheet", "takes_back__entry__timesheet"), flat=True
        ),
    }.get(prefix)
    return None if rows is None else rows.first()


def explain(true_up: TrueUp) -> str:
    """How the amount comes about, in words."""
    text = _(
        "Week %(week)s: %(worked)s of work, unpaid activities included, earned %(gross)s. The wage floor of %(country)s,"
        " %(floor)s an hour, asks for %(due)s; %(before)s had been added before, so %(amount)s is added."
    )
    if true_up.due_minor != -(-true_up.worked_seconds * true_up.floor_minor // SECONDS_PER_HOUR):
        text = _(
            "Week %(week)s: %(worked)s of work, unpaid activities included, earned %(gross)s. The wage floor of"
            " %(country)s, by the day up to %(floor)s an hour, asks for %(due)s; %(before)s had been added before, so"
            " %(amount)s is added."
        )
    return text % {
        "week": true_up.timesheet.iso_week,
        "worked": in_words(true_up.worked_seconds),
        "gross": Money(true_up.gross_minor, true_up.currency),
        "country": true_up.country,
        "floor": Money(true_up.floor_minor, true_up.currency),
        "due": Money(true_up.due_minor, true_up.currency),
        "before": Money(true_up.before_minor, true_up.currency),
        "amount": true_up.amount,
    }


def find(*, subject: str, expert_id: int) -> Contestable | None:
    """What an appeal about a top-up is about: nobody decided it."""
    row = TrueUp.objects.filter(public_id=subject, expert=expert_id).first()
    return None if row is None else Contestable(row.tenant_id, None)


def _currency_of(sheet: Timesheet) -> str:
    """The contract's currency: the one its hours were priced in."""
    found = sheet.entries.filter(status__in=SETTLED).values_list("currency", flat=True).first()
    return found or ""


def _country_of(sheet: Timesheet) -> str:
    """Where he lived when the week was first looked at: moving later does not change what it asks for."""
    former = FloorCheck.objects.filter(timesheet=sheet).first()
    return former.country if former else sheet.expert.country


def _added(sheet: Timesheet) -> int:
    """What was added to the week so far, in minor units."""
    return TrueUp.objects.filter(timesheet=sheet).aggregate(total=Sum("amount_minor"))["total"] or 0


def _corrections(timesheet: Timesheet, *, at: dt.datetime | None) -> dict[int, tuple[int, int]]:
    """Seconds and minor units that posted corrections, clawbacks and reinstatements changed, by entry."""
    kind = Adjustment.Kind
    own = Q(entry__timesheet=timesheet, kind__in=(kind.CORRECTION, kind.CLAWBACK))
    given = Q(takes_back__entry__timesheet=timesheet, kind=kind.REINSTATEMENT)
    rows = Adjustment.objects.filter(
        own | given, status=Adjustment.Status.POSTED, **({"decided_at__lte": at} if at else {})
    )
    of = rows.annotate(of=Coalesce("entry", "takes_back__entry")).values("of").order_by()
    sums = of.annotate(seconds_sum=Sum("seconds"), minor_sum=Sum("amount_minor"))
    return {row["of"]: (row["seconds_sum"], row["minor_sum"]) for row in sums}


def _add(
    sheet: Timesheet, found: Measure, country: str, currency: str, before: int, missing: int, *, now: dt.datetime
) -> TrueUp:
    true_up = TrueUp.objects.create(
        tenant_id=sheet.tenant_id,
        timesheet=sheet,
        contract_id=sheet.contract_id,
        expert_id=sheet.expert_id,
        n=TrueUp.objects.filter(timesheet=sheet).count(),
        country=country,
        currency=currency,
        floor_minor=found.floor_minor,
        worked_seconds=found.worked_seconds,
        gross_minor=found.gross_minor,
        due_minor=found.due_minor,
        before_minor=before,
        amount_minor=missing,
        paid_by=_payer(sheet.tenant),
        posted_at=now,
        created_at=now,
    )
    _post(true_up, sheet.tenant, now=now)
    news = PayNews(
        expert=sheet.expert,
        kind="pay.true_up",
        subject=true_up.public_id,
        title=_("%(amount)s is added to your week %(week)s") % {"amount": true_up.amount, "week": sheet.iso_week},
        body=explain(true_up),
    )
    pay_notices.tell(news, now=now)
    outbox.publish(
        "true_up.posted",
        subject=true_up.public_id,
        tenant_id=sheet.tenant_id,
        for_lab=true_up.paid_by == TrueUp.PaidBy.LAB,
        user_id=sheet.expert.user_id,
        payload={"timesheet": sheet.public_id, "contract": sheet.contract.public_id},
        now=now,
    )
    return true_up


def _payer(tenant: Tenant) -> str:
    """Whom the setting names; in a sandbox the lab's play money, since the platform's books are real."""
    return TrueUp.PaidBy.LAB if tenant.is_sandbox else TrueUp.PaidBy(settings.TRUE_UPS_PAID_BY)


def _post(true_up: TrueUp, tenant: Tenant, *, now: dt.datetime) -> None:
    """Pay it; a lab that lacks the money owes it, as with approved hours."""
    minor, currency = true_up.amount_minor, true_up.currency
    payable = accounts.payable(true_up.expert_id, currency, sandbox=tenant.is_sandbox)
    legs: list[Leg] = [(payable, minor)]
    with scope.as_platform():
        if true_up.paid_by == TrueUp.PaidBy.PLATFORM:
            legs.append((accounts.expense(KIND, currency), -minor))
        else:
            prepaid, owing = accounts.lab_prepaid(tenant.pk, currency), accounts.lab_receivable(tenant.pk, currency)
            drawn = min(ledger.lock(keys=[prepaid, owing, payable], now=now)[prepaid], minor)
            legs += [(prepaid, -drawn), (owing, drawn - minor)]
        ledger.post(entries=[NewEntry(KIND, true_up.public_id, now, legs, tenant_id=tenant.pk)], now=now)
