"""Changes of pay beside or after the hours, as the expert reads them in explanations and the lab in its lists."""

from __future__ import annotations

from typing import Annotated, TypedDict

from core.api.types import Doc, Example, IdOf, MoneyOut, Timestamp, render_money
from core.money import Money
from payments.api.hours_types import ContractId, Pseudonym
from payments.models import Adjustment, PlatformPay, WriteOff

Seconds = Annotated[int, Doc("Signed change of hours, in seconds."), Example(0)]
PostedOrRecorded = Annotated[
    str, Doc("posted moved money; recorded documents hours cut before they were posted."), Example("posted")
]


class AdjustmentOut(TypedDict):
    """A change of pay beside or after the hours, with its reason."""

    id: Annotated[
        str,
        Doc("adj_… of a contract, ppy_… paid or taken back by the platform, wof_… a debt given up."),
        IdOf("adj", "ppy", "wof"),
    ]
    kind: Annotated[str, Doc("bonus, referral, correction, clawback, reinstatement or write_off."), Example("bonus")]
    status: PostedOrRecorded
    time_entry: Annotated[str | None, IdOf("tme")]
    seconds: Seconds
    amount: MoneyOut
    reason: Annotated[str, Example("Found a mistake in the reference answer.")]
    takes_back: Annotated[
        str | None,
        Doc("The hours, bonus or referral that a clawback takes back, or the clawback that is given back."),
        Example("adj_01k9w3v6z8f2qr5t4h7xnm0cef"),
        IdOf("adj", "tme", "ppy"),
    ]
    decided_at: Timestamp


class LabAdjustmentOut(TypedDict):
    """What changed the lab's bill beside or after the hours, with its reason."""

    id: Annotated[str, IdOf("adj")]
    kind: Annotated[str, Doc("bonus, correction, clawback or reinstatement."), Example("correction")]
    status: PostedOrRecorded
    contract: ContractId
    expert: Pseudonym
    time_entry: Annotated[str | None, Doc("The hours that it changes."), IdOf("tme")]
    seconds: Seconds
    amount: Annotated[MoneyOut, Doc("What the expert gets, signed: what is taken back is negative.")]
    fee: Annotated[MoneyOut, Doc("The platform's, on top of the amount; signed as well.")]
    reason: Annotated[str, Example("The timer ran on over lunch.")]
    takes_back: Annotated[
        str | None,
        Doc("The hours or the bonus that a clawback takes back, or the clawback that is given back."),
        Example("tme_01k9w3v6z8f2qr5t4h7xnm0ceg"),
        IdOf("tme", "adj"),
    ]
    decided_at: Timestamp


def render_platform_pay(row: PlatformPay | WriteOff) -> AdjustmentOut:
    """What the platform paid, took back or gave up."""
    return {
        "id": row.public_id,
        "kind": row.kind if isinstance(row, PlatformPay) else "write_off",
        "status": "posted",
        "time_entry": None,
        "seconds": 0,
        "amount": render_money(Money(row.amount_minor, row.currency)),
        "reason": row.reason,
        "takes_back": row.takes_back.public_id if isinstance(row, PlatformPay) and row.takes_back else None,
        "decided_at": row.decided_at,
    }


def render_adjustment(row: Adjustment) -> AdjustmentOut:
    """A change of pay; its entry and what it takes back are joined."""
    return {
        "id": row.public_id,
        "kind": row.kind,
        "status": row.status,
        "time_entry": row.entry.public_id if row.entry else None,
        "seconds": row.seconds,
        "amount": render_money(Money(row.amount_minor, row.currency)),
        "reason": row.reason,
        "takes_back": undone_by(row),
        "decided_at": row.decided_at,
    }


def undone_by(row: Adjustment) -> str | None:
    """The id of what a clawback takes back, or of the clawback that is given back; both are joined."""
    undone = row.takes_back or (row.entry if row.kind == Adjustment.Kind.CLAWBACK else None)
    return undone.public_id if undone else None


def render_lab_adjustment(row: Adjustment) -> LabAdjustmentOut:
    """A change of pay as the lab sees it; contract, pseudonym, entry and what it takes back are joined."""
    entry = row.entry or (row.takes_back.entry if row.takes_back else None)
    return {
        "id": row.public_id,
        "kind": row.kind,
        "status": row.status,
        "contract": row.contract.public_id,
        "expert": row.contract.lab_expert.public_id,
        "time_entry": entry.public_id if entry else None,
        "seconds": row.seconds,
        "amount": render_money(Money(row.amount_minor, row.currency)),
        "fee": render_money(Money(row.fee_minor, row.currency)),
        "reason": row.reason,
        "takes_back": undone_by(row),
        "decided_at": row.decided_at,
    }
