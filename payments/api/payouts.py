"""`/expert/payouts`: money on its way."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.lookup import get_or_404
from core.api.types import Day, Doc, Example, IdOf, MoneyOut, Timestamp, render_money
from core.api.views import ExpertView
from core.money import Money
from payments import payout_reasons
from payments.api.filters import MoneyFilters
from payments.models import Payout
from payments.queries import payout_contests

StatementId = Annotated[str, IdOf("stm")]


class PayoutOut(TypedDict):
    """Money on its way to you."""

    id: Annotated[str, IdOf("pay")]
    amount: Annotated[MoneyOut, Doc("What is sent.")]
    withheld: Annotated[MoneyOut, Doc("Tax kept back from it; with the amount it is what you were owed.")]
    status: Annotated[
        str,
        Doc("ready, sending, unknown, submitted, in_transit, paid, returned, failed, on_hold or cancelled."),
        Example("paid"),
    ]
    pays_on: Annotated[Day, Doc("The payday of its run.")]
    account: Annotated[str, Doc("Where to: its last characters."), Example("DE••••3000")]
    reason: Annotated[str, Doc("Why it failed or waits, as a code of ours or of the provider."), Example("")]
    reason_text: Annotated[str, Doc("The same in words."), Example("")]
    statement: StatementId
    paid_at: Timestamp | None
    contest_from: Annotated[
        Timestamp | None,
        Doc(
            "From then on an appeal (POST /api/v1/expert/appeals, with this id as the subject) may say that it did not"
            " arrive: after the banking days that it takes, or when it has been under way for too long. Null where there"
            " is nothing of the kind to contest."
        ),
        Example("2026-11-20T00:00:00Z"),
    ]
    contest_until: Annotated[Timestamp | None, Doc("Until when; null while it is not paid."), Example(None)]
    created_at: Timestamp


class PayoutFilters(MoneyFilters):
    """Filters."""

    status = serializers.ChoiceField(choices=Payout.Status.choices, required=False)


def render_payout(row: Payout) -> PayoutOut:
    """A payout; run, method and statement are joined."""
    contest = payout_contests.window(row)
    return {
        "id": row.public_id,
        "amount": render_money(Money(row.amount_minor, row.currency)),
        "withheld": render_money(Money(row.withheld_minor, row.currency)),
        "status": row.status,
        "pays_on": row.run.pays_on,
        "account": row.payout_method.masked,
        "reason": row.reason_code,
        "reason_text": payout_reasons.text_of(row.reason_code),
        "statement": row.statement.public_id,
        "paid_at": row.paid_at,
        "contest_from": contest.since if contest else None,
        "contest_until": contest.until if contest else None,
        "created_at": row.created_at,
    }


def _payouts(call: Call) -> Any:
    return Payout.objects.visible_to(call.principal).select_related("run", "payout_method", "statement")


class PayoutList(ExpertView):
    """The expert's payouts."""

    @endpoint(summary="List my payouts", query=PayoutFilters, returns=PayoutOut, paginated=True, render=render_payout)
    def get(self, call: Call) -> Any:
        """Newest first."""
        return _payouts(call).filter(**call.query)


class PayoutDetail(ExpertView):
    """One payout."""

    @endpoint(summary="Show a payout", returns=PayoutOut)
    def get(self, call: Call, payout_id: str) -> PayoutOut:
        """Where the money is now."""
        return render_payout(get_or_404(_payouts(call), payout_id))
