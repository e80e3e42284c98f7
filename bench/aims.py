"""What a measurement is held to. `python -m bench` prints each beside what was seen and fails when one was missed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Aim:
    """A figure and the bound it is held to, both in ``unit``."""

    what: str
    seen: float
    bound: float
    unit: str
    at_least: bool

    @property
    def holds(self) -> bool:
        """Whether the figure is on the right side of its bound."""
        return self.seen >= self.bound if self.at_least else self.seen <= self.bound

    def __str__(self) -> str:
        side = "at least" if self.at_least else "at most"
        verdict = "holds" if self.holds else "MISSED"
        return f"  {self.what:44} {self.seen:8.1f} {self.unit:2} {side} {self.bound:g} {self.unit}: {verdict}"


def table(aims: Iterable[Aim]) -> str:
    """The aims as lines of text."""
    return "\n".join(["aims", *map(str, aims)])
