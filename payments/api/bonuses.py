"""`/bonuses`: what a lab pays experts on top of their hours, alone or many at once, and the second member's word."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.lookup import get_or_404
from core.api.views import LabView
from core.problems import FieldError, InvalidInput, InvalidTransition
from experts.public import OwnWork
from marketplace.ports import InsufficientFunds
from marketplace.public import contracts_of
from payments.api.bonus_types import (
    BonusFilters,
    BonusIn,
    BonusOut,
    BonusProposalOut,
    BulkBonusesIn,
    BulkBonusesOut,
    DecideBonusIn,
    ProposalFilters,
    RefuseBonusIn,
    render_bonus,
    render_proposal,
    render_proposed_bonus,
)
from payments.api.deciders import decider
from payments.models import Adjustment, AdjustmentProposal
from payments.operations.pay import bonuses, four_eyes
from payments.operations.pay.bonuses import Bonus
from payments.operations.pay.four_eyes import OtherSide, OwnKeyNeeded, OwnProposal, ProposalLapsed

LAB = AdjustmentProposal.Side.LAB
ROW = {
    "contract": "ctr_01k9w3v6z8f2qr5t4h7xnm0ceg",
    "amount": {"amount": "150.00", "currency": "USD"},
    "reason": "Found a mistake in the reference answer.",
}


def rows_of(call: Call) -> list[Bonus]:
    """The wanted bonuses with their contracts, fetched at once. Raises InvalidInput naming each unknown contract."""
    wanted = call.body["bonuses"]
    found = (
        contracts_of(call.principal).select_related("expert").filter(public_id__in={row["contract"] for row in wanted})
    )
    contracts = {contract.public_id: contract for contract in found}
    errors = [
        FieldError(f"/bonuses/{n}/contract", "unknown_contract", _("There is no such contract."))
        for n, row in enumerate(wanted)
        if row["contract"] not in contracts
    ]
    if errors:
        raise InvalidInput(errors=errors)
    return [Bonus(contracts[row["contract"]], row["amount"], row["reason"]) for row in wanted]


def proposals_of(call: Call) -> Any:
    """What the lab's members proposed."""
    return AdjustmentProposal.objects.visible_to(call.principal)


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
        """Paid ones, newest first."""
        rows = Adjustment.objects.visible_to(call.principal).filter(kind=Adjustment.Kind.BONUS, **call.query)
        return rows.select_related("contract__lab_expert")

    @endpoint(
        summary="Pay a bonus",
        rate="money",
        scope="bonuses:write",
        body=BonusIn,
        returns=BonusOut,
        status=201,
        errors=[InsufficientFunds, OwnWork],
        idempotency="required",
        example={**ROW, "decided_by": "ops@aurora.example"},
    )
    def post(self, call: Call) -> BonusOut:
        """From the lab's prepaid balance, with the contract's fee. Above a threshold another member approves it first."""
        contract = get_or_404(contracts_of(call.principal).select_related("expert"), call.body["contract"])
        made = bonuses.pay(
            bonus=Bonus(contract, call.body["amount"], call.body["reason"]),
            decided_by=decider(call),
            by=call.principal,
            now=call.now,
        )
        return render_bonus(made) if isinstance(made, Adjustment) else render_proposed_bonus(made, contract)


class BonusBulk(LabView):
    """Many at once."""

    @endpoint(
        summary="Pay many bonuses",
        rate="money",
        scope="bonuses:write",
        body=BulkBonusesIn,
        returns=BulkBonusesOut,
        status=201,
        errors=[InsufficientFunds],
        idempotency="required",
        example={"bonuses": [ROW], "decided_by": "ops@aurora.example"},
    )
    def post(self, call: Call) -> BulkBonusesOut:
        """All or none: every wrong row is named by its position. Their sum is what the threshold is compared with."""
        made = bonuses.pay_many(bonuses=rows_of(call), decided_by=decider(call), by=call.principal, now=call.now)
        if isinstance(made, AdjustmentProposal):
            return {"status": "proposed", "paid": [], "proposal": render_proposal(made)}
        return {"status": "paid", "paid": [render_bonus(row) for row in made], "proposal": None}


class BonusProposalList(LabView):
    """What waits for a second member."""

    @endpoint(
        summary="List proposed bonuses",
        scope="bonuses:read",
        query=ProposalFilters,
        returns=BonusProposalOut,
        paginated=True,
        render=render_proposal,
    )
    def get(self, call: Call) -> Any:
        """Newest first; `status=proposed` are those that wait, until `expires_at`."""
        return proposals_of(call).filter(**call.query)


class BonusProposalDetail(LabView):
    """One of them."""

    @endpoint(summary="Show a proposal", scope="bonuses:read", returns=BonusProposalOut)
    def get(self, call: Call, proposal_id: str) -> BonusProposalOut:
        """Whether it waits, and what it became."""
        return render_proposal(get_or_404(proposals_of(call), proposal_id))


class BonusApprove(LabView):
    """The second member's yes."""

    @endpoint(
        summary="Approve proposed bonuses",
        rate="money",
        scope="bonuses:write",
        body=DecideBonusIn,
        returns=BonusProposalOut,
        errors=[InsufficientFunds, InvalidTransition, OtherSide, OwnKeyNeeded, OwnProposal, OwnWork, ProposalLapsed],
        example={"decided_by": "cfo@aurora.example"},
        idempotency="required",
    )
    def post(self, call: Call, proposal_id: str) -> BonusProposalOut:
        """By another member than the one who proposed, with a key of his own; they are owed to the experts at once."""
        proposal = get_or_404(proposals_of(call), proposal_id)
        approved = four_eyes.approve(
            proposal=proposal, decided_by=decider(call), side=LAB, by=call.principal, now=call.now
        )
        return render_proposal(approved)


class BonusRefuse(LabView):
    """The second member's no."""

    @endpoint(
        summary="Refuse proposed bonuses",
        scope="bonuses:write",
        body=RefuseBonusIn,
        returns=BonusProposalOut,
        errors=[InvalidTransition, OtherSide, OwnProposal, OwnWork],
        example={"decided_by": "cfo@aurora.example", "reason": "The budget of this quarter is spent."},
    )
    def post(self, call: Call, proposal_id: str) -> BonusProposalOut:
        """Nothing is paid."""
        proposal = get_or_404(proposals_of(call), proposal_id)
        refused = four_eyes.refuse(
            proposal=proposal, decided_by=decider(call), side=LAB, note=call.body["reason"], now=call.now
        )
        return render_proposal(refused)


class BonusWithdraw(LabView):
    """Its proposer's second thought."""

    @endpoint(
        summary="Withdraw proposed bonuses",
        scope="bonuses:write",
        body=DecideBonusIn,
        returns=BonusProposalOut,
        errors=[InvalidTransition, OtherSide, OwnProposal],
        example={"decided_by": "ops@aurora.example"},
    )
    def post(self, call: Call, proposal_id: str) -> BonusProposalOut:
        """By whoever proposed them."""
        proposal = get_or_404(proposals_of(call), proposal_id)
        return render_proposal(four_eyes.withdraw(proposal=proposal, by=decider(call), side=LAB, now=call.now))
