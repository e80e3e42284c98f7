"""`/contracts/{id}/effective-rate`, `/projects/{id}/effective-rates`: what an hour of all tracked time has paid."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, TypedDict

from core.api.call import Call, Listed
from core.api.endpoint import endpoint
from core.api.lookup import get_or_404
from core.api.types import Doc, Duration, Example, MoneyOut, RateOut, render_duration, render_money, render_rate
from core.api.views import ExpertView, LabView
from core.money import Money
from marketplace import public as marketplace
from marketplace.public import Contract, Project
from payments.api.hours_types import ContractId, Week
from payments.queries import effective_rates
from payments.queries.effective_rates import EffectiveRate, WeekRate


class EffectiveWeekOut(TypedDict):
    """One decided week."""

    week: Annotated[Week | None, Doc("Null for pay that belongs to no week, such as a bonus.")]
    tracked: Annotated[Duration, Doc("All time, paid or not.")]
    unpaid: Annotated[Duration, Doc("Of it: unpaid by the terms, unconfirmed or refused.")]
    earned: Annotated[MoneyOut, Doc("Pay for the hours, corrections and bonuses.")]
    added: Annotated[MoneyOut, Doc("Added up to the wage floor.")]
    rate: Annotated[RateOut | None, Doc("All of it over all tracked time.")]


class EffectiveRateOut(TypedDict):
    """What an hour of a contract pays: as planned by its terms, and as it came."""

    contract: ContractId
    nominal: Annotated[RateOut, Doc("The rate of paid time.")]
    planned_hourly_rate: Annotated[
        RateOut, Doc("What an hour of the first two weeks was planned to pay, unpaid and capped activities counted in.")
    ]
    actual: Annotated[RateOut | None, Doc("(earned + added) / tracked; null before any week was decided.")]
    tracked: Duration
    unpaid: Duration
    earned: MoneyOut
    added: MoneyOut
    formula: Annotated[str, Example("ROUND_HALF_UP((earned + added) × 3600 / tracked seconds)")]
    weeks: Annotated[list[EffectiveWeekOut], Doc("Newest first.")]


def _render_week(week: WeekRate, currency: str) -> EffectiveWeekOut:
    hourly = week.hourly_minor
    return {
        "week": week.week or None,
        "tracked": render_duration(week.tracked_seconds),
        "unpaid": render_duration(week.unpaid_seconds),
        "earned": render_money(Money(week.earned_minor, currency)),
        "added": render_money(Money(week.added_minor, currency)),
        "rate": None if hourly is None else render_rate(Money(hourly, currency)),
    }


def render_effective_rate(contract: Contract, found: EffectiveRate) -> EffectiveRateOut:
    """A contract's nominal, planned and actual rate."""
    terms, hourly, total = found.terms, found.hourly(), found.total
    return {
        "contract": contract.public_id,
        "nominal": render_rate(terms.rate),
        "planned_hourly_rate": render_rate(Money(marketplace.planned_hourly_rate(terms), terms.currency)),
        "actual": None if hourly is None else render_rate(hourly),
        "tracked": render_duration(total.tracked_seconds),
        "unpaid": render_duration(total.unpaid_seconds),
        "earned": render_money(Money(total.earned_minor, terms.currency)),
        "added": render_money(Money(total.added_minor, terms.currency)),
        "formula": "ROUND_HALF_UP((earned + added) × 3600 / tracked seconds)",
        "weeks": [_render_week(week, terms.currency) for week in found.weeks],
    }


def _render_all(contracts: list[Contract], *, now: dt.datetime) -> list[EffectiveRateOut]:
    found = effective_rates.of_contracts(contracts, now=now)
    return [render_effective_rate(contract, found[contract.pk]) for contract in contracts]


def _of_contract(call: Call, contract_id: str) -> EffectiveRateOut:
    contract = get_or_404(marketplace.contracts_of(call.principal), contract_id)
    return render_effective_rate(contract, effective_rates.of_contract(contract, now=call.now))


class ExpertEffectiveRate(ExpertView):
    """Of one of your contracts."""

    @endpoint(summary="Show what an hour truly pays me", returns=EffectiveRateOut, tag="earnings")
    def get(self, call: Call, contract_id: str) -> EffectiveRateOut:
        """As your terms planned it, and as your decided weeks paid it, unpaid time counted in."""
        return _of_contract(call, contract_id)


class LabEffectiveRate(LabView):
    """Of one contract."""

    @endpoint(summary="Show what an hour truly pays", scope="contracts:read", returns=EffectiveRateOut)
    def get(self, call: Call, contract_id: str) -> EffectiveRateOut:
        """What the expert gets for an hour of all his time, unpaid activities counted in."""
        return _of_contract(call, contract_id)


class ProjectEffectiveRates(LabView):
    """Of a project's contracts."""

    @endpoint(summary="List what hours truly pay", scope="projects:read", returns=EffectiveRateOut, paginated=True)
    def get(self, call: Call, project_id: str) -> Listed:
        """One for each contract, newest first."""
        project = get_or_404(Project.objects.visible_to(call.principal), project_id)
        rows = marketplace.contracts_of(call.principal).filter(project=project)
        return Listed(rows, lambda page: _render_all(page, now=call.now), together=True)
