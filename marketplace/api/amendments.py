"""`/contracts/{id}/amendments`, `/amendments/{id}`: later terms, as a lab proposes them."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import DurationField, InstantField, StrictCharField
from core.api.lookup import get_or_404
from core.api.types import (
    Doc,
    Duration,
    Example,
    IdOf,
    MoneyOut,
    RateOut,
    Timestamp,
    render_duration,
    render_money,
    render_rate,
)
from core.api.views import LabView
from core.money import Money
from core.problems import InvalidTransition
from experts.public import OwnWork
from marketplace import rates
from marketplace.api.contracts import ContractId, mine
from marketplace.api.terms import (
    HourlyRateField,
    PaidActivityOut,
    PayPolicyIn,
    PlannedRate,
    render_activities,
    render_planned_rate,
)
from marketplace.models import Amendment, RateSnapshot
from marketplace.operations import amendments, later_terms
from marketplace.operations.amendments import AmendmentStands, ContractNotAmendable
from marketplace.operations.later_terms import Change
from marketplace.pay_policy import LONGEST_CAP_SECONDS
from marketplace.queries import MONEY_DECIDER, deciding_member

A_DAY = 24 * 3600


class ChangedTermsOut(TypedDict):
    """What an amendment can change, complete."""

    rate: RateOut
    weekly_cap: Annotated[Duration, Example("PT10H")]
    daily_cap: Annotated[Duration | None, Example("PT3H30M")]
    paid_activities: list[PaidActivityOut]
    planned_hourly_rate: PlannedRate


class AmendmentOut(TypedDict):
    """Later terms beside those before them."""

    id: Annotated[str, IdOf("amd")]
    contract: ContractId
    status: Annotated[str, Doc("proposed, accepted, declined, withdrawn or expired."), Example("proposed")]
    terms: Annotated[ChangedTermsOut, Doc("Complete, in force from `effective_at` on if accepted.")]
    former: Annotated[ChangedTermsOut, Doc("The terms they would follow.")]
    lowers: Annotated[
        list[str], Doc("What the expert would lose: rate, weekly_cap, daily_cap, or an activity."), Example(["rate"])
    ]
    reason: Annotated[str, Example("The second round needs more of your time.")]
    effective_at: Timestamp
    expires_at: Annotated[Timestamp, Doc("Silence until then declines it.")]
    proposed_at: Timestamp
    decided_at: Timestamp | None


class LabAmendmentOut(AmendmentOut):
    """Later terms with what they cost the lab."""

    cost_per_hour: Annotated[MoneyOut, Doc("The rate with the fee.")]
    reserve: Annotated[MoneyOut, Doc("What two weeks at the cap cost with the fee; set aside when it is accepted.")]


class AmendmentIn(serializers.Serializer[None]):
    """What is to be different; members that are left out stay as they are."""

    decided_by = StrictCharField(max_length=254, help_text=MONEY_DECIDER)
    rate = HourlyRateField(required=False)
    weekly_cap = DurationField(required=False, min_seconds=3600, max_seconds=LONGEST_CAP_SECONDS)
    daily_cap = DurationField(required=False, allow_null=True, min_seconds=60, max_seconds=A_DAY)
    pay_policy = PayPolicyIn(required=False)
    effective_at = InstantField()
    reason = StrictCharField(max_length=2000)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Something has to change."""
        if not {"rate", "weekly_cap", "daily_cap", "pay_policy"} & set(attrs):
            raise serializers.ValidationError({"rate": [_("Say what is to be different.")]}, code="required")
        return attrs


def amendments_of(call: Call) -> QuerySet[Amendment]:
    """The caller's amendments with what a row shows."""
    return Amendment.objects.visible_to(call.principal).select_related("contract__offer", "former")


def change_of(body: dict[str, Any]) -> Change:
    """The body as the operation takes it; a cap a day that is null is taken away."""
    daily = (body["daily_cap"] or 0) if "daily_cap" in body else None
    return Change(
        rate=body.get("rate"),
        week_cap_seconds=body.get("weekly_cap"),
        day_cap_seconds=daily,
        pay_policy=body.get("pay_policy"),
    )


def render_terms_of(row: Amendment | RateSnapshot) -> ChangedTermsOut:
    """The part of terms that can be amended."""
    daily = row.day_cap_seconds
    return {
        "rate": render_rate(row.rate),
        "weekly_cap": render_duration(row.week_cap_seconds),
        "daily_cap": render_duration(daily) if daily is not None else None,
        "paid_activities": render_activities(row.pay_policy),
        "planned_hourly_rate": render_planned_rate(row.rate, row.pay_policy, row.week_cap_seconds),
    }


def render_amendment(row: Amendment) -> AmendmentOut:
    """One amendment, as both sides see it."""
    return {
        "id": row.public_id,
        "contract": row.contract.public_id,
        "status": row.status,
        "terms": render_terms_of(row),
        "former": render_terms_of(row.former),
        "lowers": later_terms.losses_of(row),
        "reason": row.reason,
        "effective_at": row.effective_at,
        "expires_at": row.expires_at,
        "proposed_at": row.proposed_at,
        "decided_at": row.decided_at,
    }


def render_lab_amendment(row: Amendment) -> LabAmendmentOut:
    """One amendment with its cost."""
    fee_bp = row.former.fee_bp
    reserve = rates.reservation_for(weekly_cap_seconds=row.week_cap_seconds, rate_minor=row.rate_minor, fee_bp=fee_bp)
    cost = rates.cost_per_hour(row.rate_minor, fee_bp)
    return {
        **render_amendment(row),
        "cost_per_hour": render_money(Money(cost, row.currency)),
        "reserve": render_money(Money(reserve, row.currency)),
    }


class ContractAmendments(LabView):
    """Later terms of one contract."""

    @endpoint(
        summary="List a contract's amendments",
        scope="contracts:read",
        returns=LabAmendmentOut,
        paginated=True,
        render=render_lab_amendment,
    )
    def get(self, call: Call, contract_id: str) -> QuerySet[Amendment]:
        """Newest first, whatever became of them."""
        return amendments_of(call).filter(contract=get_or_404(mine(call), contract_id))

    @endpoint(
        summary="Propose an amendment",
        scope="contracts:write",
        body=AmendmentIn,
        returns=LabAmendmentOut,
        status=201,
        idempotency="required",
        errors=[AmendmentStands, ContractNotAmendable, OwnWork],
        example={
            "decided_by": "mem_01k9w3v6z8f2qr5t4h7xnm0ceg",
            "rate": {"amount": "120.00", "currency": "USD", "per": "hour"},
            "effective_at": "2026-12-01T00:00:00Z",
            "reason": "The second round needs more of your time.",
        },
    )
    def post(self, call: Call, contract_id: str) -> LabAmendmentOut:
        """From a later instant on, and only if the expert accepts. What takes something from him needs notice."""
        contract = get_or_404(mine(call), contract_id)
        member = deciding_member(
            tenant_id=contract.tenant_id, who=call.body["decided_by"], by=call.principal, about_money=True
        )
        made = amendments.propose(
            contract=contract,
            change=change_of(call.body),
            effective_at=call.body["effective_at"],
            reason=call.body["reason"],
            proposed_by=member,
            now=call.now,
        )
        return render_lab_amendment(made)


class AmendmentDetail(LabView):
    """One amendment."""

    @endpoint(summary="Show an amendment", scope="contracts:read", returns=LabAmendmentOut)
    def get(self, call: Call, amendment_id: str) -> LabAmendmentOut:
        """With the terms before and after, and what they cost."""
        return render_lab_amendment(get_or_404(amendments_of(call), amendment_id))


class AmendmentWithdraw(LabView):
    """Taken back."""

    @endpoint(
        summary="Withdraw an amendment",
        scope="contracts:write",
        returns=LabAmendmentOut,
        errors=[InvalidTransition],
        idempotency="required",
    )
    def post(self, call: Call, amendment_id: str) -> LabAmendmentOut:
        """Before the expert has answered."""
        found = get_or_404(amendments_of(call), amendment_id)
        return render_lab_amendment(amendments.withdraw(amendment=found, now=call.now))
