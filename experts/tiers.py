"""Laws of tiers: which tier verified facts give, and what is missing for the next one. Pure, no Django.

A tier is a promise to labs, so only what a verifier has seen counts in full; an expert's own word counts for level 2
and two years at most.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

UNPROVEN_LEVEL: Final = 2
UNPROVEN_YEARS: Final = 2

TIERS: Final = ("generalist", "skilled", "specialist", "expert", "senior_expert", "principal")
DEGREES: Final = ("none", "secondary", "short_cycle", "bachelor", "master", "doctorate")


@dataclass(frozen=True, slots=True)
class Proof:
    """One verified credential: its kind, and the level of a degree."""

    kind: str
    award: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """An expert's word about one domain, and whether a verified credential stands in the same branch."""

    level: int
    years: int
    proven: bool

    @property
    def counted(self) -> tuple[int, int]:
        """Level and years that count."""
        if self.proven:
            return self.level, self.years
        return min(self.level, UNPROVEN_LEVEL), min(self.years, UNPROVEN_YEARS)


@dataclass(frozen=True, slots=True)
class Rung:
    """What one tier asks for. ``degree`` or a licence; ``proofs`` verified credentials of any kind."""

    tier: str
    proofs: int
    degree: str
    level: int
    years: int


# A licence to practise stands for a master's degree, a verified post or certificate for a bachelor's.
LADDER: Final = (
    Rung("principal", proofs=3, degree="master", level=5, years=15),
    Rung("senior_expert", proofs=2, degree="master", level=4, years=10),
    Rung("expert", proofs=1, degree="master", level=3, years=5),
    Rung("specialist", proofs=1, degree="bachelor", level=3, years=2),
    Rung("skilled", proofs=1, degree="none", level=1, years=0),
)
_STANDS_FOR: Final = {"licence": "master", "employer": "bachelor", "certificate": "bachelor"}


@dataclass(frozen=True, slots=True)
class Lack:
    """One demand that is not met: which ("proofs", "degree", "level" or "years"), what is asked, what is there."""

    demand: str
    needed: str
    has: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A tier, what counted for it, and what is missing for the next one (empty at the top)."""

    tier: str
    proofs: int
    degree: str
    missing: tuple[Lack, ...]


def tier_of(proofs: Iterable[Proof], claims: Iterable[Claim]) -> Verdict:
    """The highest rung whose every demand is met."""
    held = list(proofs)
    degree = max((_rank(proof) for proof in held), default=0)
    counted = [claim.counted for claim in claims] or [(0, 0)]
    missing: tuple[Lack, ...] = ()
    for rung in LADDER:
        lacking = min((_lacking(rung, len(held), degree, *pair) for pair in counted), key=len)
        if not lacking:
            return Verdict(rung.tier, len(held), DEGREES[degree], missing)
        missing = lacking
    return Verdict(TIERS[0], len(held), DEGREES[degree], missing)


def _rank(proof: Proof) -> int:
    name = proof.award if proof.kind == "degree" else _STANDS_FOR.get(proof.kind, "none")
    return DEGREES.index(name) if name in DEGREES else 0


def _lacking(rung: Rung, proofs: int, degree: int, level: int, years: int) -> tuple[Lack, ...]:
    demands = (
        (proofs >= rung.proofs, Lack("proofs", str(rung.proofs), str(proofs))),
        (degree >= DEGREES.index(rung.degree), Lack("degree", rung.degree, DEGREES[degree])),
        (level >= rung.level, Lack("level", str(rung.level), str(level))),
        (years >= rung.years, Lack("years", str(rung.years), str(years))),
    )
    return tuple(lack for met, lack in demands if not met)
