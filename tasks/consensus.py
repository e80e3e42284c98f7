"""The law of overlap two: equal verdicts are consensus, anything else goes to a third person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from tasks.rubric_scoring import Verdict


class Outcome(StrEnum):
    """Whether two blind graders agree."""

    CONSENSUS = "consensus"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The outcome and the criteria (sorted ids) on which the two differ."""

    outcome: Outcome
    conflicts: tuple[str, ...]


def compare(grades_a: Mapping[str, Verdict], grades_b: Mapping[str, Verdict]) -> Comparison:
    """Compare two graders' verdicts by criterion id.

    A criterion that only one of them graded is a conflict; so is "cannot_assess"
    beside a verdict, while two "cannot_assess" agree.
    """
    keys = grades_a.keys() | grades_b.keys()
    conflicts = tuple(sorted(key for key in keys if grades_a.get(key) != grades_b.get(key)))
    return Comparison(Outcome.CONFLICT if conflicts else Outcome.CONSENSUS, conflicts)
