"""What a rubric says, as plain values: one shape for every dialect in use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

Number = int | float

CANNOT_ASSESS: Final = "cannot_assess"
DEFAULT_CHOICES: Final = ("no", "yes")


class ScorePolicy(StrEnum):
    """How verdicts become a score; the rules are in `rubric_scoring`."""

    POINTS = "points"
    TREE = "tree"
    GATED = "gated"
    PASS_RATE = "pass_rate"  # noqa: S105  # a rate of passing, no password
    WEIGHTED_CHOICES = "weighted_choices"


class Kind(StrEnum):
    """What a verdict on the criterion looks like: yes or no, one of its choices, or a number of times."""

    BINARY = "binary"
    ORDINAL = "ordinal"
    COUNT = "count"


class Importance(StrEnum):
    """How much a criterion matters; a pitfall is something a good answer does not do."""

    ESSENTIAL = "essential"
    IMPORTANT = "important"
    OPTIONAL = "optional"
    PITFALL = "pitfall"


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One thing a grader decides.

    `points` count under the policy `points`, `weight` (None: 1) under `tree` and
    `weighted_choices`, `is_gate` under `gated`. `choices` run from worst to best;
    empty means no, yes. `extra` keeps what a foreign dialect says and ours does
    not, so that its export gives it back.
    """

    id: str
    text: str
    points: Number | None = None
    kind: Kind = Kind.BINARY
    choices: tuple[str, ...] = ()
    max_occurrences: int | None = None
    importance: Importance | None = None
    parent: str | None = None
    weight: Number | None = None
    category: str | None = None
    is_gate: bool = False
    needs_grounding: bool = False
    depends_on: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    justification: str = ""
    examples_met: tuple[str, ...] = ()
    examples_not_met: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def effective_weight(self) -> Number:
        """The weight, 1 where none is given."""
        return 1 if self.weight is None else self.weight

    @property
    def effective_choices(self) -> tuple[str, ...]:
        """The choices from worst to best, no and yes where none are given."""
        return self.choices or DEFAULT_CHOICES


@dataclass(frozen=True, slots=True, kw_only=True)
class Rubric:
    """Criteria in order and the policy that scores them; `extra` as in Criterion, one entry per dialect."""

    score_policy: ScorePolicy
    criteria: tuple[Criterion, ...]
    extra: Mapping[str, Any] = field(default_factory=dict)

    def inner_ids(self) -> frozenset[str]:
        """Ids of criteria that some other criterion names as its parent."""
        return frozenset(c.parent for c in self.criteria if c.parent is not None)

    def graded(self) -> tuple[Criterion, ...]:
        """The criteria a grader decides: the leaves of a tree, otherwise all."""
        if self.score_policy is not ScorePolicy.TREE:
            return self.criteria
        inner = self.inner_ids()
        return tuple(c for c in self.criteria if c.id not in inner)
