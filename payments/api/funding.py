"""`/balance`, `/funding` and `/refunds`: a lab's money."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict, cast

from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import MoneyField
from core.api.lookup import get_or_404
from core.api.types import Currency, Doc, Example, IdOf, MoneyOut, Timestamp, render_money
from core.api.views import LabView
from core.money import Money
from marketplace.ports import BalanceView
from payments.models import Funding, Refund
from payments.operations import funding, reservations


class CurrencyBalanceOut(TypedDict):
    """What the lab has in one currency."""

    currency: Currency
    available: Annotated[MoneyOut, Doc("Paid in, neither used nor reserved.")]
    reserved: Annotated[MoneyOut, Doc("Set aside for contracts: two weeks at the weekly cap, with the fee.")]
    owed: Annotated[MoneyOut, Doc("Approved hours that the money did not cover; new claims pause until it is paid.")]


class BalanceOut(TypedDict):
    """The lab's money, one line for each currency it ever had."""

    balances: list[CurrencyBalanceOut]
    may_claim: Annotated[bool, Doc("False while something is owed."), Example(True)]


class FundingOut(TypedDict):
    """Money that the lab pays in."""

    id: Annotated[str, IdOf("fnd")]
    amount: MoneyOut
    status: Annotated[str, Doc("pending, settled, failed or reversed."), Example("settled")]
    reference: Annotated[
        str, Doc("Write it on the transfer: it is how the money is found."), Example("CDR-7KQ2M9XWBD4F")
    ]
    settled_at: Timestamp | None
    created_at: Timestamp


class FundingIn(serializers.Serializer[None]):
    """How much will be paid in."""

    amount = MoneyField()


class FundingFilters(serializers.Serializer[None]):
    """Filters."""

    status = serializers.ChoiceField(choices=Funding.Status.choices, required=False)


class RefundOut(TypedDict):
    """Unused money that was given back."""

    id: Annotated[str, IdOf("rfd")]
    funding: Annotated[str, IdOf("fnd")]
    amount: MoneyOut
    reason: Annotated[str, Example("The project ended.")]
    refunded_at: Timestamp


def render_balance(row: BalanceView) -> CurrencyBalanceOut:
    """One currency's line."""
    return {
        "currency": row.currency,
        "available": render_money(Money(row.available_minor, row.currency)),
        "reserved": render_money(Money(row.reserved_minor, row.currency)),
        "owed": render_money(Money(row.receivable_minor, row.currency)),
    }


def render_funding(row: Funding) -> FundingOut:
    """A payment of the lab."""
    return {
        "id": row.public_id,
        "amount": render_money(Money(row.amount_minor, row.currency)),
        "status": row.status,
        "reference": row.reference,
        "settled_at": row.settled_at,
        "created_at": row.created_at,
    }


def render_refund(row: Refund) -> RefundOut:
    """Money given back; its funding is joined."""
    return {
        "id": row.public_id,
        "funding": row.funding.public_id,
        "amount": render_money(Money(row.amount_minor, row.currency)),
        "reason": row.reason,
        "refunded_at": row.refunded_at,
    }


class Balance(LabView):
    """The lab's balance."""

    @endpoint(summary="Show the balance", scope="balance:read", returns=BalanceOut)
    def get(self, call: Call) -> BalanceOut:
        """What is available, reserved and owed now, in each currency."""
        tenant_id = cast(int, call.principal.tenant_id)
        rows = reservations.balances(tenant_id=tenant_id)
        return {
            "balances": [render_balance(row) for row in rows],
            "may_claim": all(row.receivable_minor <= 0 for row in rows),
        }


class FundingList(LabView):
    """Money that the lab pays in."""

    @endpoint(
        summary="List funding",
        scope="funding:read",
        query=FundingFilters,
        returns=FundingOut,
        paginated=True,
        render=render_funding,
    )
    def get(self, call: Call) -> Any:
        """Newest first."""
        return Funding.objects.visible_to(call.principal).filter(**call.query)

    @endpoint(
        summary="Fund the balance",
        rate="money",
        scope="funding:write",
        body=FundingIn,
        returns=FundingOut,
        status=201,
        idempotency="required",
        example={"amount": {"amount": "500.00", "currency": "USD"}},
    )
    def post(self, call: Call) -> FundingOut:
        """A sandbox (test keys) is funded at once. A live balance is `pending` until the transfer with its reference
        has arrived; nothing can be spent of it before."""
        tenant_id = cast(int, call.principal.tenant_id)
        announced = funding.announce(tenant_id=tenant_id, amount=call.body["amount"], by=call.principal, now=call.now)
        return render_funding(announced)


class FundingDetail(LabView):
    """One payment."""

    @endpoint(summary="Show funding", scope="funding:read", returns=FundingOut)
    def get(self, call: Call, funding_id: str) -> FundingOut:
        """With its status."""
        return render_funding(get_or_404(Funding.objects.visible_to(call.principal), funding_id))


class RefundList(LabView):
    """Money given back."""

    @endpoint(summary="List refunds", scope="funding:read", returns=RefundOut, paginated=True, render=render_refund)
    def get(self, call: Call) -> Any:
        """Newest first."""
        return Refund.objects.visible_to(call.principal).select_related("funding")
