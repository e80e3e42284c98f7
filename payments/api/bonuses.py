"""`/bonuses`: what a lab pays an expert on top of his hours."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict, cast

from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import MoneyField, PublicIdField, StrictCharField
from core.api.lookup import get_or_404
from core.api.types import Doc, Example, IdOf, MoneyOut, Timestamp, render_money
from core.api.views import LabView
from core.money import Money
from experts.public import OwnWork
from marketplace.ports import InsufficientFunds
from marketplace.public import contracts_of, deciding_member
from payments.api.hours_types import ContractId, Pseudonym
from payments.models import Adjustment
from payments.operations import adjustments


class BonusOut(TypedDict):
    """A bonus that was paid."""

    id: Annotated[str, IdOf("adj")]
    contract: ContractId
    expert: Pseudonym
    amount: MoneyOut
    fee: Annotated[MoneyOut, Doc("The platform's, on top of the amount.")]
    reason: Annotated[str, Example("Found a mistake in the reference answer.")]
    decided_at: Timestamp


class BonusFilters(serializers.Serializer[None]):
    """Filters."""

    contract = PublicIdField("ctr", required=False, source="contract__public_id")


class BonusIn(serializers.Serializer[None]):
    """Who gets how much, why, and who decided it."""

    contract = PublicIdField("ctr")
    amount = MoneyField(help_text="In the contract's currency; the fee comes on top.")
    reason = StrictCharField(max_length=1000, help_text="The expert reads it.")
    decided_by = StrictCharField(max_length=254, help_text="A member of the lab: his id (mem_…) or e-mail address.")


def render_bonus(row: Adjustment) -> BonusOut:
    """A bonus; its contract is joined."""
    return {
        "id": row.public_id,
        "contract": row.contract.public_id,
        "expert": row.contract.lab_expert.public_id,
        "amount": render_money(Money(row.amount_minor, row.currency)),
        "fee": render_money(Money(row.fee_minor, row.currency)),
        "reason": row.reason,
        "decided_at": row.decided_at,
    }


class BonusList(LabView):
    """Bonuses of the lab."""

    @endpoint(
        summary="List bonuses",
        scope="bonuses:read",
        query=BonusFilters,
        returns=BonusOut,
        paginated=True,
        render=render_bonus,
    )
    def get(self, call: Call) -> Any:
        """Newest first."""
        bonuses = Adjustment.objects.visible_to(call.principal).filter(kind=Adjustment.Kind.BONUS, **call.query)
        return bonuses.select_related("contract__lab_expert")

    @endpoint(
        summary="Pay a bonus",
        rate="money",
        scope="bonuses:write",
        body=BonusIn,
        returns=BonusOut,
        status=201,
        errors=[InsufficientFunds, OwnWork],
        idempotency="required",
        example={
            "contract": "ctr_01k9w3v6z8f2qj5t4h7xnm0ceg",
            "amount": {"amount": "150.00", "currency": "USD"},
            "reason": "Found a mistake in the reference answer.",
            "decided_by": "ops@aurora.example",
        },
    )
    def post(self, call: Call) -> BonusOut:
        """From the lab's prepaid balance, with the contract's fee; it is owed to the expert at once."""
        contract = get_or_404(contracts_of(call.principal).select_related("expert"), call.body["contract"])
        member = deciding_member(tenant_id=cast(int, call.principal.tenant_id), who=call.body["decided_by"])
        bonus = adjustments.pay_bonus(
            contract=contract,
            amount=call.body["amount"],
            reason=call.body["reason"],
            decided_by=member,
            by=call.principal,
            now=call.now,
        )
        return render_bonus(bonus)
