"""What this floor asks of the floors above: may an expert contest a thing only they know, and who acts for a lab?

A decision, a credential or a restriction is contested by its own id. Other subjects (an entry of hours, an overage)
belong to apps above; each registers who answers for its id prefix in ``AppConfig.ready()``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from core.ports import Port


@dataclass(frozen=True, slots=True)
class Contestable:
    """A subject that this expert may contest: whose rows it lies among, and who decided about it."""

    tenant_id: int | None
    decided_by_id: int | None
    approved_by_id: int | None = None
    """The second person, where two people decided."""
    since: dt.datetime | None = None
    """It cannot be told before then; None for a thing that can be contested from the beginning."""
    until: dt.datetime | None = None
    """The last instant; None for a thing that can be contested for as long as it stands."""
    happened_at: dt.datetime | None = None
    """What an appeal filed since then decided is final; None for a thing that may be contested again."""
    in_part: bool = True
    """Whether it can be right in part: money arrived, or it did not."""


class LabPeople(Protocol):
    """Who acts for a tenant; this floor does not know what a lab is."""

    def acting(self, *, pairs: Collection[tuple[int, int]]) -> set[tuple[int, int]]:
        """Those of the pairs (user, tenant) whose user is one of the people of that tenant's lab."""
        ...


lab_people: Port[LabPeople] = Port("experts.ports.LabPeople")


class FindsSubject(Protocol):
    """Answers for all subjects of one id prefix."""

    def __call__(self, *, subject: str, expert_id: int) -> Contestable | None:
        """The subject when it exists and concerns this expert, else None."""
        ...


class AppealSubjects:
    """Who answers for which id prefix ("tme" for entries of hours)."""

    def __init__(self) -> None:
        self._finders: dict[str, FindsSubject] = {}

    def register(self, prefix: str, finder: FindsSubject) -> None:
        """Fill the slot of one prefix."""
        self._finders[prefix] = finder

    def find(self, *, subject: str, expert_id: int) -> Contestable | None:
        """Ask whoever answers for the subject's prefix; an unknown prefix is nobody's."""
        finder = self._finders.get(subject.partition("_")[0])
        return finder(subject=subject, expert_id=expert_id) if finder else None


appeal_subjects = AppealSubjects()
