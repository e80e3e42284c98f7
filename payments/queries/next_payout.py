"""When and how much an expert is paid next, and what stands in the way."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.utils.translation import gettext as _

from core import scope
from core.money import Money
from core.problems import Remedy
from marketplace.ports import PayDate
from payments import tax
from payments.models import AccountBalance, PayoutMethod, PayRun, PayRunExclusion, PayRunLine, TaxProfile
from payments.operations.runs import pay_run_calculation
from payments.queries import exchange_offers, pay_calendar


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why he would not be paid, in words, with what he can do about it."""

    code: str
    text: str
    remedy: Remedy | None


@dataclass(frozen=True, slots=True)
class NextPayout:
    """The next payday of one currency: what of all approved until now is sent, and the tax withheld from it."""

    date: PayDate
    amount: Money
    withheld: Money
    obstacle: Obstacle | None


def next_payout(*, expert_id: int, currency: str, now: dt.datetime) -> NextPayout:
    """What the expert gets on the next payday, if nothing else is approved until the cutoff.

    A run that is calculated and not yet released comes first, with its amount and payday; then what was approved before
    the last cutoff and waits for its run; then the cutoff to come.
    """
    line = _line_in_review(expert_id, currency)
    if line is not None:
        amount, withheld = Money(line.amount_minor, currency), Money(line.withheld_minor, currency)
        return NextPayout(pay_calendar.of_run(line.run), amount, withheld, None)
    waiting = pay_calendar.still_to_run(currency=currency, now=now)
    if waiting is not None:
        payout = _at(waiting, expert_id=expert_id, now=now)
        if payout.amount.minor > 0 and payout.obstacle is None:
            return payout
    return _at(pay_calendar.approved_at(currency=currency, at=now), expert_id=expert_id, now=now)


def _line_in_review(expert_id: int, currency: str) -> PayRunLine | None:
    """The expert's line that somebody may release any moment; a held one waits for a later run."""
    lines = PayRunLine.objects.filter(expert=expert_id, run__currency=currency, run__status=PayRun.Status.REVIEW)
    line = lines.select_related("run").order_by("run__cutoff").first()
    return None if line is None or line.is_held else line


def _at(date: PayDate, *, expert_id: int, now: dt.datetime) -> NextPayout:
    """What a run of this cutoff would pay him, judged by what is known now."""
    currency = date.currency
    found = pay_run_calculation.outlook(expert_id=expert_id, currency=currency, cutoff=date.cutoff, now=now)
    return NextPayout(
        date=date,
        amount=Money(found.amount_minor, currency),
        withheld=Money(found.withheld_minor, currency),
        obstacle=obstacle_of(found.obstacle, expert_id=expert_id, currency=currency, now=now),
    )


def currencies_of(*, expert_id: int) -> list[str]:
    """Currencies in which the expert was ever owed anything."""
    with scope.as_platform():
        owed = AccountBalance.objects.filter(account__expert=expert_id, account__kind="expert_payable")
        return sorted(set(owed.filter(account__detail="").values_list("account__currency", flat=True)))


def obstacle_of(code: str, *, expert_id: int, currency: str, now: dt.datetime) -> Obstacle | None:
    """A reason of exclusion as it is told to the expert; who lacks a payout method may have a currency to exchange into."""
    if not code:
        return None
    reason = PayRunExclusion.Reason(code)
    if reason == PayRunExclusion.Reason.NO_PAYOUT_METHOD:
        way = exchange_offers.way_out(expert_id=expert_id, currency=currency, now=now)
        if way is not None:
            return Obstacle(code, str(reason.label), way)
    if reason == PayRunExclusion.Reason.BELOW_MINIMUM:
        return _too_little(expert_id=expert_id, currency=currency)
    until = _usable_from(expert_id, currency) if reason == PayRunExclusion.Reason.METHOD_ON_HOLD else None
    if until is not None and until > now:  # a run of the past may have met a hold that is over
        return _too_new(until)
    remedy = PayRunExclusion.REMEDIES.get(reason)
    return Obstacle(code, str(reason.label), Remedy(str(remedy[0]), remedy[1]) if remedy else None)


def _too_little(*, expert_id: int, currency: str) -> Obstacle:
    """The smallest payout, and how much has to come together for it; tax withheld makes that more."""
    code = PayRunExclusion.Reason.BELOW_MINIMUM
    least = pay_run_calculation.smallest_payout(currency)
    bp = TaxProfile.objects.filter(expert=expert_id).values_list("withholding_bp", flat=True).first() or 0
    figures = {"least": Money(least, currency), "gross": Money(tax.least_gross(least, bp=bp), currency)}
    if bp:
        text = _("After the tax withheld, less than the smallest payout of %(least)s would be sent; it stays yours.")
    else:
        text = _("The amount is below the smallest payout of %(least)s; it stays yours.")
    remedy = _("Nothing to do: it is paid once %(gross)s have come together.")
    return Obstacle(code, text % figures, Remedy(remedy % figures, PayRunExclusion.REMEDIES[code][1]))


def _usable_from(expert_id: int, currency: str) -> dt.datetime | None:
    waiting = PayoutMethod.objects.filter(expert=expert_id, currency=currency, status=PayoutMethod.Status.ACTIVE)
    return waiting.values_list("usable_from", flat=True).first()


def _too_new(until: dt.datetime) -> Obstacle:
    """Until when the payout method waits; the day of pay after that is told by the calendar."""
    code = PayRunExclusion.Reason.METHOD_ON_HOLD
    text = _("The payout method is new and waits out its safety hold until %(until)s.")
    remedy = _("Nothing to do: the first pay run that is calculated after that pays it.")
    told = {"until": f"{until.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"}
    return Obstacle(code, text % told, Remedy(remedy, PayRunExclusion.REMEDIES[code][1]))
