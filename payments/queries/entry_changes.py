"""What changed the pay of approved hours afterwards, and what they come to now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q

from payments.models import Adjustment, TimeEntry


@dataclass(frozen=True, slots=True)
class Standing:
    """What was done to an entry since it was approved, in order, beside what was approved."""

    changes: tuple[Adjustment, ...]

    @property
    def amount_minor(self) -> int:
        """By how much the expert's pay moved since, signed."""
        return sum(change.amount_minor for change in self._posted)

    @property
    def fee_minor(self) -> int:
        """By how much the platform's fee moved since, signed."""
        return sum(change.fee_minor for change in self._posted)

    @property
    def _posted(self) -> list[Adjustment]:
        """What moved money; hours that were cut before they were posted are missing in the entry's own amount."""
        return [change for change in self.changes if change.status == Adjustment.Status.POSTED]


def standing_of(entries: Iterable[TimeEntry]) -> dict[int, Standing]:
    """By the entries' keys; corrections and clawbacks name the entry, what gave a clawback back names the clawback."""
    found: dict[int, list[Adjustment]] = {entry.pk: [] for entry in entries}
    about = Adjustment.objects.filter(Q(entry__in=found) | Q(takes_back__entry__in=found))
    for row in about.select_related("takes_back").order_by("pk"):
        of = row.entry_id or (row.takes_back.entry_id if row.takes_back else None)
        if of is not None:
            found[of].append(row)
    return {pk: Standing(tuple(rows)) for pk, rows in found.items()}
