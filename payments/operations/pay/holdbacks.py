"""What was held back of approved pay is released when the days that the contract names are over."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

from django.db.models import (
    DateTimeField,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    QuerySet,
    Subquery,
    Value,
)

from core import scope
from core.public import Principal
from core.sweeps import sweep_together
from payments import accounts, ledger
from payments.ledger import NewEntry
from payments.models import JournalEntry, Posting, TimeEntry
from payments.models.dispute import UNDECIDED
from payments.operations.pay.postings import HOLDBACK_RELEASED, TIME_APPROVED

RELEASER: Final = Principal.system("payments.release_holdbacks")


def release_due(*, now: dt.datetime, after: int = 0) -> int:
    """Move holdbacks whose days are over to what experts are paid; returns how many."""
    return sweep_together(by=RELEASER, due=_due(now), step=lambda keys: _release(keys, now), after=after)


def _release(keys: Sequence[int], now: dt.datetime) -> int:
    with scope.as_platform():
        # Whoever corrects one of these entries has it locked; what is held back of it is read after that.
        free = _due(now).filter(pk__in=keys).select_for_update(no_key=True, of=("self",), skip_locked=True)
        due = _due(now).filter(pk__in=list(free.values_list("pk", flat=True)))
        return len(ledger.post(entries=[_entry(entry, now) for entry in due], now=now))


def _due(now: dt.datetime) -> QuerySet[TimeEntry]:
    days = ExpressionWrapper(F("snapshot__holdback_days") * Value(dt.timedelta(days=1)), output_field=DurationField())
    released = JournalEntry.objects.filter(kind=HOLDBACK_RELEASED, source_id=OuterRef("public_id"))
    # A correction posts anew what is held back, so the journal says it and not the entry as it was approved.
    standing = Posting.objects.filter(
        account__kind="expert_holdback",
        entry__kind=TIME_APPROVED,
        entry__source_id=OuterRef("public_id"),
        entry__reversed_by=None,
    )
    return (
        TimeEntry.objects.settled()
        .filter(~Exists(released), snapshot__holdback_bp__gt=0)
        .annotate(held_minor=Subquery(standing.values("amount")[:1]))
        .filter(held_minor__gt=0)
        .exclude(dispute__status__in=UNDECIDED)
        .alias(release_at=ExpressionWrapper(F("approved_at") + days, output_field=DateTimeField()))
        .filter(release_at__lte=now)
        .select_related("tenant")
        .order_by("pk")
    )


def _entry(entry: TimeEntry, now: dt.datetime) -> NewEntry:
    minor, sandbox = int(vars(entry)["held_minor"]), entry.tenant.is_sandbox
    legs = [
        (accounts.holdback(entry.expert_id, entry.currency, sandbox=sandbox), -minor),
        (accounts.payable(entry.expert_id, entry.currency, sandbox=sandbox), minor),
    ]
    return NewEntry(HOLDBACK_RELEASED, entry.public_id, now, legs, tenant_id=entry.tenant_id)
