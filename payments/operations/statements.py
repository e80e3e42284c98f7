"""Statements are issued with the payout they explain, in the same transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from django.db.models import F

from payments import accounts, ledger
from payments.models import Payout, Statement


def issue(*, payouts: Sequence[Payout], entry_ids: Mapping[str, int], now: dt.datetime) -> list[Statement]:
    """Issue one statement per payout, of all that moved since the expert's last one, up to the payout's own entry.

    ``entry_ids`` gives the journal entry that initiated each payout. The experts' balances must be locked.
    """
    former = _latest(payouts)
    keys = {payout.pk: accounts.payable(payout.expert_id, payout.currency) for payout in payouts}
    closing = ledger.balances(keys=keys.values())
    made = []
    for payout in payouts:
        last = former.get((payout.expert_id, payout.currency))
        made.append(
            Statement(
                number=last.number + 1 if last else 1,
                payout=payout,
                expert_id=payout.expert_id,
                currency=payout.currency,
                after_entry=last.upto_entry if last else 0,
                upto_entry=entry_ids[payout.public_id],
                opening_minor=last.closing_minor if last else 0,
                closing_minor=closing[keys[payout.pk]],
                issued_at=now,
            )
        )
    return Statement.objects.bulk_create(made, batch_size=2000)


def _latest(payouts: Sequence[Payout]) -> dict[tuple[int, str], Statement]:
    found = (
        Statement.objects.filter(expert_id__in={payout.expert_id for payout in payouts})
        .order_by("expert_id", "currency", F("number").desc())
        .distinct("expert_id", "currency")
    )
    return {(statement.expert_id, statement.currency): statement for statement in found}
