"""Bonuses and their proposals as the API writes and reads them."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from rest_framework import serializers

from core.api.fields import MoneyField, PublicIdField, StrictCharField
from core.api.types import Doc, Example, IdOf, MoneyOut, Timestamp, render_money
from core.money import Money
from payments.api.deciders import DecidedIn
from payments.api.filters import MoneyFilters
from payments.api.hours_types import ContractId, Pseudonym
from payments.models import Adjustment, AdjustmentProposal
from payments.operations.pay import bonuses

CountedWith = Doc("What members of the lab decided alone lately, each by himself: together it is too much for one.")
ProposalId = Annotated[str, IdOf("prp")]


class BonusOut(TypedDict):
    """A bonus that was paid, or that waits for a second member."""

    id: Annotated[str, Doc("adj_… when it is paid, prp_… while another member has to approve it."), IdOf("adj", "prp")]
    status: Annotated[str, Doc("paid or proposed."), Example("paid")]
    contract: ContractId
    expert: Pseudonym
    amount: MoneyOut
    fee: Annotated[MoneyOut | None, Doc("The platform's, on top of the amount; null until it is paid.")]
    reason: Annotated[str, Example("Found a mistake in the reference answer.")]
    decided_at: Timestamp
    expires_at: Annotated[Timestamp | None, Doc("Until when a proposed one can be approved."), Example(None)]
    counted_with: Annotated[MoneyOut | None, CountedWith, Example(None)]


class BonusProposalOut(TypedDict):
    """Bonuses, or a milestone, that one member proposed and another decides."""

    id: ProposalId
    act: Annotated[str, Doc("bonus, bonus_bulk or milestone."), Example("bonus")]
    status: Annotated[str, Doc("proposed, approved, refused, withdrawn or expired."), Example("proposed")]
    amount: Annotated[MoneyOut, Doc("Altogether, without fees.")]
    reason: str
    bonuses: Annotated[int, Doc("How many bonuses it is."), Example(1)]
    proposed_at: Timestamp
    expires_at: Annotated[Timestamp, Doc("Without a second member until then nothing is paid.")]
    counted_with: Annotated[MoneyOut | None, CountedWith]
    decided_at: Timestamp | None
    note: Annotated[str, Doc("The second member's reason.")]
    outcome: Annotated[
        str | None,
        Doc("What it became: a bonus (adj_…), a milestone (mst_…), or the proposal itself (prp_…) for many bonuses."),
        IdOf("adj", "mst", "prp"),
    ]


class BulkBonusesOut(TypedDict):
    """All of them paid, or all of them waiting as one proposal."""

    status: Annotated[str, Doc("paid or proposed."), Example("paid")]
    paid: Annotated[list[BonusOut], Doc("In the order of the request; empty while they are proposed.")]
    proposal: BonusProposalOut | None


class BonusFilters(MoneyFilters):
    """Filters."""

    contract = PublicIdField("ctr", required=False, source="contract__public_id")
    project = PublicIdField("prj", required=False, source="contract__project__public_id")


class ProposalFilters(MoneyFilters):
    """Filters."""

    status = serializers.ChoiceField(choices=AdjustmentProposal.Status.choices, required=False)


class BonusRowIn(serializers.Serializer[None]):
    """Who gets how much, and why."""

    contract = PublicIdField("ctr")
    amount = MoneyField(help_text="In the contract's currency; the fee comes on top.")
    reason = StrictCharField(max_length=1000, help_text="The expert reads it.")


class BonusIn(BonusRowIn, DecidedIn):
    """Who gets how much, why, and who decided it."""


class BulkBonusesIn(DecidedIn):
    """Up to 1,000 bonuses, paid all together or not at all."""

    bonuses = serializers.ListField(child=BonusRowIn(), min_length=1, max_length=bonuses.MOST)


class DecideBonusIn(DecidedIn):
    """Who decides as the second person."""


class RefuseBonusIn(DecideBonusIn):
    """Who decides, and why not."""

    reason = StrictCharField(max_length=1000)


def render_bonus(row: Adjustment) -> BonusOut:
    """A paid bonus; its contract is joined."""
    return {
        "id": row.public_id,
        "status": "paid",
        "contract": row.contract.public_id,
        "expert": row.contract.lab_expert.public_id,
        "amount": render_money(Money(row.amount_minor, row.currency)),
        "fee": render_money(Money(row.fee_minor, row.currency)),
        "reason": row.reason,
        "decided_at": row.decided_at,
        "expires_at": None,
        "counted_with": None,
    }


def render_proposed_bonus(row: AdjustmentProposal, contract: Any) -> BonusOut:
    """A bonus that waits for a second member."""
    return {
        "id": row.public_id,
        "status": "proposed",
        "contract": contract.public_id,
        "expert": contract.lab_expert.public_id,
        "amount": render_money(Money(row.amount_minor, row.currency)),
        "fee": None,
        "reason": row.reason,
        "decided_at": row.created_at,
        "expires_at": row.expires_at,
        "counted_with": counted_with(row),
    }


def counted_with(row: AdjustmentProposal) -> MoneyOut | None:
    """What was decided alone lately and counts with it, if anything."""
    return render_money(Money(row.before_minor, row.currency)) if row.before_minor else None


def render_proposal(row: AdjustmentProposal) -> BonusProposalOut:
    """A proposal."""
    return {
        "id": row.public_id,
        "act": row.act,
        "status": row.status,
        "amount": render_money(Money(row.amount_minor, row.currency)),
        "reason": row.reason,
        "bonuses": len(row.terms.get("bonuses", [])),
        "proposed_at": row.created_at,
        "expires_at": row.expires_at,
        "counted_with": counted_with(row),
        "decided_at": row.decided_at,
        "note": row.note,
        "outcome": row.outcome or None,
    }
