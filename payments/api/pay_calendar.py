"""`/pay-calendar` and `/expert/pay-runs`: when people are paid, and how an expert stood in each run."""

from __future__ import annotations

from typing import Annotated, TypedDict

from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.types import Day, Doc, Example, IdOf, Link, MoneyOut, Timestamp, render_money
from core.api.views import ExpertView, LabView
from core.money import EXPONENTS
from marketplace import public as marketplace
from payments.api.payday_types import ArrivesBy, PayDateOut, render_date
from payments.queries.next_payout import currencies_of
from payments.queries.own_pay_runs import OwnPayRun, own_pay_runs
from payments.queries.pay_calendar import arrival_of, upcoming


class PayCalendarFilters(serializers.Serializer[None]):
    """Which currency, and how far ahead."""

    currency = serializers.ChoiceField(choices=sorted(EXPONENTS), required=False)
    count = serializers.IntegerField(min_value=1, max_value=53, required=False, default=8)


class PayCalendarOut(TypedDict):
    """The next paydays."""

    dates: list[PayDateOut]


class PayRunRemedyOut(TypedDict):
    """What you can do."""

    text: Annotated[str, Example("Add a payout method.")]
    href: Link


class OwnPayRunOut(TypedDict):
    """How you stood in one pay run."""

    run: Annotated[str, IdOf("run")]
    cutoff: Timestamp
    pays_on: Day
    arrives_by: ArrivesBy
    outcome: Annotated[
        str, Doc("scheduled, released, held, left_out, recalculating or cancelled."), Example("left_out")
    ]
    amount: Annotated[MoneyOut, Doc("What is sent; for left_out what you are owed, below zero what you owe.")]
    withheld: MoneyOut
    reason_code: Annotated[str | None, Example("no_payout_method")]
    reason: Annotated[str | None, Example("There is no payout method for this currency.")]
    remedy: PayRunRemedyOut | None


class OwnPayRunsOut(TypedDict):
    """Your latest pay runs."""

    runs: Annotated[list[OwnPayRunOut], Doc("At most 52, newest first.")]


def render_run(own: OwnPayRun) -> OwnPayRunOut:
    """A run from the expert's side."""
    return {
        "run": own.run.public_id,
        "cutoff": own.run.cutoff,
        "pays_on": own.run.pays_on,
        "arrives_by": arrival_of(own.run.currency, own.run.pays_on),
        "outcome": own.outcome,
        "amount": render_money(own.amount),
        "withheld": render_money(own.withheld),
        "reason_code": own.code or None,
        "reason": own.reason or None,
        "remedy": {"text": str(own.remedy.text), "href": own.remedy.href} if own.remedy else None,
    }


def _calendar(call: Call, currencies: list[str]) -> PayCalendarOut:
    chosen = [call.query["currency"]] if "currency" in call.query else currencies or ["USD"]
    dates = [date for code in chosen for date in upcoming(currency=code, count=call.query["count"], now=call.now)]
    return {"dates": [render_date(date) for date in sorted(dates, key=lambda d: (d.cutoff, d.currency))]}


class ExpertPayCalendar(ExpertView):
    """When I am paid."""

    @endpoint(summary="Show the next paydays", query=PayCalendarFilters, returns=PayCalendarOut)
    def get(self, call: Call) -> PayCalendarOut:
        """In the currencies you are owed in, or in `currency`. Known in advance: nobody decides it week by week."""
        return _calendar(call, currencies_of(expert_id=call.principal.subject_id or 0))


class LabPayCalendar(LabView):
    """When experts are paid."""

    @endpoint(
        summary="Show the next paydays of experts",
        scope="timesheets:read",
        query=PayCalendarFilters,
        returns=PayCalendarOut,
    )
    def get(self, call: Call) -> PayCalendarOut:
        """Weeks approved before a cutoff are paid on its payday. In the currencies of your contracts, or in `currency`."""
        agreed = marketplace.contracts_of(call.principal).order_by().values_list("offer__currency", flat=True)
        return _calendar(call, sorted(set(agreed.distinct())))


class OwnPayRuns(ExpertView):
    """The pay runs I am in."""

    @endpoint(summary="List how I stood in pay runs", returns=OwnPayRunsOut)
    def get(self, call: Call) -> OwnPayRunsOut:
        """Paid, held, left out, or in a run that is calculated again or was cancelled: why, and what you can do."""
        found = own_pay_runs(expert_id=call.principal.subject_id or 0, now=call.now)
        return {"runs": [render_run(own) for own in found]}
