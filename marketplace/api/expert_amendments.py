"""`/expert/contracts/{id}/amendments`, `/expert/amendments/{id}`: later terms, and the expert's answer."""

from __future__ import annotations

from django.db.models import QuerySet

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.lookup import get_or_404
from core.api.views import ExpertView
from core.problems import InvalidTransition
from marketplace.api.amendments import AmendmentOut, amendments_of, render_amendment
from marketplace.api.contracts import mine
from marketplace.models import Amendment
from marketplace.operations import amendments
from marketplace.operations.amendments import AmendmentExpired, ContractNotAmendable
from marketplace.operations.budgets import WeeklyBudgetExceeded
from marketplace.ports import InsufficientFunds


class MyContractAmendments(ExpertView):
    """Later terms of one of your contracts."""

    @endpoint(
        summary="List my contract's amendments",
        returns=AmendmentOut,
        paginated=True,
        render=render_amendment,
        tag="contracts",
    )
    def get(self, call: Call, contract_id: str) -> QuerySet[Amendment]:
        """Newest first, whatever became of them."""
        return amendments_of(call).filter(contract=get_or_404(mine(call), contract_id))


class MyAmendmentDetail(ExpertView):
    """One of them."""

    @endpoint(summary="Show an amendment of mine", returns=AmendmentOut, tag="contracts")
    def get(self, call: Call, amendment_id: str) -> AmendmentOut:
        """The terms before and after, and what you would lose."""
        return render_amendment(get_or_404(amendments_of(call), amendment_id))


class MyAmendmentAccept(ExpertView):
    """Yes."""

    @endpoint(
        summary="Accept an amendment",
        returns=AmendmentOut,
        errors=[InvalidTransition, AmendmentExpired, ContractNotAmendable, WeeklyBudgetExceeded, InsufficientFunds],
        idempotency="required",
        tag="contracts",
        rate="money",
    )
    def post(self, call: Call, amendment_id: str) -> AmendmentOut:
        """The later terms are frozen from their instant on. Time before it keeps the terms it was worked under."""
        found = get_or_404(amendments_of(call), amendment_id)
        return render_amendment(amendments.accept(amendment=found, now=call.now))


class MyAmendmentDecline(ExpertView):
    """No."""

    @endpoint(
        summary="Decline an amendment",
        returns=AmendmentOut,
        errors=[InvalidTransition],
        idempotency="required",
        tag="contracts",
    )
    def post(self, call: Call, amendment_id: str) -> AmendmentOut:
        """Your contract goes on as it is. Nobody asks why."""
        found = get_or_404(amendments_of(call), amendment_id)
        return render_amendment(amendments.decline(amendment=found, now=call.now))
