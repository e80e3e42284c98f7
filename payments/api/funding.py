"""`/funding` and `/refunds`: money that comes from a lab and goes back to it."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict, cast

from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import MoneyField, PublicIdField
from core.api.lookup import get_or_404
from core.api.types import Doc, Example, IdOf, MoneyOut, Timestamp, render_money
from core.api.views import LabView
from core.money import Money
from payments.api.filters import MoneyFilters
from payments.models import Funding, Refund
from payments.operations.labs import funding


class FundingOut(TypedDict):
    """Money that the lab pays in."""

    id: Annotated[str, IdOf("fnd")]
    amount: Annotated[MoneyOut, Doc("What was announced.")]
    received: Annotated[MoneyOut | None, Doc("What arrived, which is what counts; null before.")]
    status: Annotated[str, Doc("pending, settled, failed or reversed."), Example("settled")]
    reference: Annotated[
        str, Doc("Write it on the transfer: it is how the money is found."), Example("CDR-7KQ2M9XWBD4F")
    ]
    settled_at: Timestamp | None
    closed_at: Annotated[Timestamp | None, Doc("When it failed or was reversed."), Example(None)]
    reason: Annotated[str | None, Doc("Why it failed or was reversed."), Example(None)]
    created_at: Timestamp


class FundingIn(serializers.Serializer[None]):
    """How much will be paid in."""

    amount = MoneyField()


class FundingFilters(MoneyFilters):
    """Filters."""

    status = serializers.ChoiceField(choices=Funding.Status.choices, required=False)


class RefundFilters(MoneyFilters):
    """Filters."""

    status = serializers.ChoiceField(choices=Refund.Status.choices, required=False)
    funding = PublicIdField("fnd", required=False, source="funding__public_id")


class RefundOut(TypedDict):
    """Unused money that goes back to the lab."""

    id: Annotated[str, IdOf("rfd")]
    funding: Annotated[str, IdOf("fnd")]
    amount: MoneyOut
    status: Annotated[str, Doc("proposed (a second person decides), paid or refused."), Example("paid")]
    reason: Annotated[str, Example("The project ended.")]
    note: Annotated[str, Doc("Why it was refused; empty otherwise."), Example("")]
    decided_at: Annotated[Timestamp | None, Doc("When it was paid or refused; null before.")]
    refunded_at: Timestamp | None


def render_funding(row: Funding) -> FundingOut:
    """A payment of the lab."""
    return {
        "id": row.public_id,
        "amount": render_money(Money(row.amount_minor, row.currency)),
        "received": (None if row.received_minor is None else render_money(Money(row.received_minor, row.currency))),
        "status": row.status,
        "reference": row.reference,
        "settled_at": row.settled_at,
        "closed_at": row.closed_at,
        # What finance noted when it confirmed another amount is its own.
        "reason": row.reason if row.closed_at else None,
        "created_at": row.created_at,
    }


def render_refund(row: Refund) -> RefundOut:
    """Money given back; its funding is joined."""
    return {
        "id": row.public_id,
        "funding": row.funding.public_id,
        "amount": render_money(Money(row.amount_minor, row.currency)),
        "status": row.status,
        "reason": row.reason,
        "note": row.note,
        "decided_at": row.decided_at,
        "refunded_at": row.refunded_at,
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


def refunds_of(call: Call) -> Any:
    """The lab's refunds with their funding."""
    return Refund.objects.visible_to(call.principal).select_related("funding")


class RefundList(LabView):
    """Money given back."""

    @endpoint(
        summary="List refunds",
        scope="funding:read",
        query=RefundFilters,
        returns=RefundOut,
        paginated=True,
        render=render_refund,
    )
    def get(self, call: Call) -> Any:
        """Newest first."""
        return refunds_of(call).filter(**call.query)


class RefundDetail(LabView):
    """One refund."""

    @endpoint(summary="Show a refund", scope="funding:read", returns=RefundOut)
    def get(self, call: Call, refund_id: str) -> RefundOut:
        """Whether the money went back, and why."""
        return render_refund(get_or_404(refunds_of(call), refund_id))
