"""Every movement of the ledger that one earning, adjustment, dispute, top-up or payout made for an expert."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q

from core import scope
from payments.models import JournalEntry, Posting
from payments.queries import statement_lines
from payments.queries.statement_lines import Line

ACCOUNTS = {"expert_payable": "payable", "expert_holdback": "holdback"}


@dataclass(frozen=True, slots=True)
class Movement:
    """A line of the ledger, and whether it moved what is owed (``payable``) or what waits (``holdback``)."""

    account: str
    line: Line


def movements_of(*, source: str, expert_id: int) -> list[Movement]:
    """What events of ``source`` (a public id) and their reversals moved for this expert, in order."""
    with scope.as_platform():
        events = JournalEntry.objects.filter(Q(source_id=source) | Q(reverses__source_id=source))
        legs = list(
            Posting.objects.filter(
                entry__in=list(events.values_list("pk", flat=True)),
                account__expert=expert_id,
                account__kind__in=list(ACCOUNTS),
            )
            .select_related("entry__reverses", "account")
            .order_by("entry_id", "position")
        )
        lines = statement_lines.describe(legs)
    return [Movement(ACCOUNTS[leg.account.kind], line) for leg, line in zip(legs, lines, strict=True)]
