"""Laws of matching: who is eligible for an opening, why not, and how good the fit is.

One meaning for every rendering: searches in SQL and batch solving in arrays
must select and score exactly as these functions do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from marketplace.rates import TIERS

# From lowest to highest; ISCED 2011 levels 3 and 5 to 8.
DEGREES: Final = ("none", "secondary", "short_cycle", "bachelor", "master", "doctorate")

HIGHEST_LEVEL: Final = 5
YEARS_THAT_COUNT: Final = 15
HOURS_SLACK_THAT_COUNTS: Final = 20
HIGHEST_SCORE: Final = 1_000_000
MILLI: Final = 1_000

# An unobserved expert starts at the prior and moves away as work is seen.
QUALITY_PRIOR_MILLI: Final = 720
QUALITY_PRIOR_WEIGHT: Final = 10

# Shares of the score in thousandths; they sum to 0.94, so a score stays below one million.
_SKILL, _QUALITY, _RATE, _HOURS, _TEXT, _COLD_START = 380, 270, 120, 70, 80, 80
_COLD_START_DIVISOR: Final = 4

# The most each component can bring, for explanations.
COMPONENT_CEILINGS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "level": _SKILL * 600,
        "years": _SKILL * 400,
        "quality": _QUALITY * MILLI,
        "cold_start": _COLD_START * MILLI // _COLD_START_DIVISOR,
        "rate_slack": _RATE * MILLI,
        "hours_slack": _HOURS * MILLI,
        "text": _TEXT * MILLI,
    }
)


@dataclass(frozen=True, slots=True)
class Skill:
    """How well and how long an expert has worked in one domain."""

    level: int
    years: int


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence held, valid through `expires_on` (None: for ever)."""

    kind: str
    jurisdiction: str
    expires_on: date | None = None

    def answers(self, need: LicenceNeed) -> bool:
        """Whether kind and place fit: a need for "US" is met by "US-CA", not the other way."""
        place = need.jurisdiction
        return self.kind == need.kind and (
            place is None or self.jurisdiction == place or self.jurisdiction.startswith(f"{place}-")
        )


@dataclass(frozen=True, slots=True)
class LicenceNeed:
    """A licence asked for; `jurisdiction` (ISO 3166-1 or -2) None means anywhere."""

    kind: str
    jurisdiction: str | None = None


@dataclass(frozen=True, slots=True)
class Requirement:
    """What an opening asks of an expert. Money in minor units per hour, time in hours a week."""

    domain: str
    tier: str = TIERS[0]
    min_level: int = 0
    min_years: int = 0
    degree: str = "none"
    licences: tuple[LicenceNeed, ...] = ()
    languages: frozenset[str] = frozenset()
    countries_allowed: frozenset[str] | None = None
    countries_blocked: frozenset[str] = frozenset()
    qualifications: frozenset[str] = frozenset()
    rate_ceiling_minor: int | None = None
    hours_week: int = 0
    lab: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What matching knows of an expert, in the units of `Requirement`.

    `tier` counts as the highest where it is not known; `quality_milli` is the (shrunk) quality 0 to 1000 from `n_obs` observations;
    `walled_labs` are the labs he may not work for now; `qualifications` map to
    their last valid day (None: for ever).
    """

    id: str
    skills: Mapping[str, Skill]
    rate_minor: int
    hours_week: int
    country: str
    tier: str = TIERS[-1]
    degree: str = "none"
    licences: tuple[Licence, ...] = ()
    languages: frozenset[str] = frozenset()
    qualifications: Mapping[str, date | None] = field(default_factory=dict)
    walled_labs: frozenset[str] = frozenset()
    restricted: bool = False
    quality_milli: int = QUALITY_PRIOR_MILLI
    n_obs: int = 0


class Reason(StrEnum):
    """Why an expert is not eligible: stable codes, shown to him and, but for `HIDDEN_FROM_LABS`, to labs."""

    TIER_TOO_LOW = "tier_too_low"
    DOMAIN_MISSING = "domain_missing"
    LEVEL_TOO_LOW = "level_too_low"
    YEARS_TOO_FEW = "years_too_few"
    DEGREE_TOO_LOW = "degree_too_low"
    LICENCE_MISSING = "licence_missing"
    LICENCE_EXPIRED = "licence_expired"
    LANGUAGE_MISSING = "language_missing"
    COUNTRY_NOT_ALLOWED = "country_not_allowed"
    COUNTRY_BLOCKED = "country_blocked"
    QUALIFICATION_MISSING = "qualification_missing"
    QUALIFICATION_EXPIRED = "qualification_expired"
    RATE_ABOVE_CEILING = "rate_above_ceiling"
    HOURS_TOO_FEW = "hours_too_few"
    CONFLICT_WALL = "conflict_wall"
    RESTRICTED = "restricted"


# A lab that learnt of a wall would learn that a rival engages the expert; of a restriction, what he is accused of.
HIDDEN_FROM_LABS: Final = frozenset({Reason.CONFLICT_WALL, Reason.RESTRICTED})


@dataclass(frozen=True, slots=True)
class Failure:
    """One unmet requirement: what was asked and what the expert has."""

    code: Reason
    needed: str
    has: str


@dataclass(frozen=True, slots=True)
class Score:
    """An integer 1 to 1,000,000 and the components that sum to it."""

    total: int
    components: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Ranked:
    """An eligible candidate at his place; `margin` is his lead over the next one."""

    candidate: Candidate
    score: Score
    margin: int


def explain_failures(requirement: Requirement, candidate: Candidate, *, on: date) -> list[Failure]:
    """Every requirement the candidate fails on that day; empty means eligible.

    The wall is told as a bare fact: it must not say which rival stands behind.
    """
    return [
        *_skill_failures(requirement, candidate),
        *_licence_failures(requirement, candidate, on),
        *_qualification_failures(requirement, candidate, on),
        *_place_failures(requirement, candidate),
        *_term_failures(requirement, candidate),
    ]


def is_eligible(requirement: Requirement, candidate: Candidate, *, on: date) -> bool:
    """Whether no requirement fails."""
    return not explain_failures(requirement, candidate, on=on)


def _skill_failures(need: Requirement, candidate: Candidate) -> Iterator[Failure]:
    if TIERS.index(candidate.tier) < TIERS.index(need.tier):
        yield Failure(Reason.TIER_TOO_LOW, need.tier, candidate.tier)
    skill = candidate.skills.get(need.domain)
    if skill is None:
        yield Failure(Reason.DOMAIN_MISSING, need.domain, "")
    else:
        if skill.level < need.min_level:
            yield Failure(Reason.LEVEL_TOO_LOW, str(need.min_level), str(skill.level))
        if skill.years < need.min_years:
            yield Failure(Reason.YEARS_TOO_FEW, str(need.min_years), str(skill.years))
    if DEGREES.index(candidate.degree) < DEGREES.index(need.degree):
        yield Failure(Reason.DEGREE_TOO_LOW, need.degree, candidate.degree)


def _licence_failures(need: Requirement, candidate: Candidate, on: date) -> Iterator[Failure]:
    for wanted in need.licences:
        held = [licence for licence in candidate.licences if licence.answers(wanted)]
        asked = f"{wanted.kind} ({wanted.jurisdiction})" if wanted.jurisdiction else wanted.kind
        if not held:
            yield Failure(Reason.LICENCE_MISSING, asked, "")
        elif not any(_valid(licence.expires_on, on) for licence in held):
            last = max(licence.expires_on for licence in held if licence.expires_on is not None)
            yield Failure(Reason.LICENCE_EXPIRED, asked, last.isoformat())


def _qualification_failures(need: Requirement, candidate: Candidate, on: date) -> Iterator[Failure]:
    for code in sorted(need.qualifications):
        if code not in candidate.qualifications:
            yield Failure(Reason.QUALIFICATION_MISSING, code, "")
            continue
        expires_on = candidate.qualifications[code]
        if expires_on is not None and expires_on < on:
            yield Failure(Reason.QUALIFICATION_EXPIRED, code, expires_on.isoformat())


def _place_failures(need: Requirement, candidate: Candidate) -> Iterator[Failure]:
    for language in sorted(need.languages - candidate.languages):
        yield Failure(Reason.LANGUAGE_MISSING, language, ", ".join(sorted(candidate.languages)))
    allowed = need.countries_allowed
    if allowed is not None and candidate.country not in allowed:
        yield Failure(Reason.COUNTRY_NOT_ALLOWED, ", ".join(sorted(allowed)), candidate.country)
    if candidate.country in need.countries_blocked:
        yield Failure(Reason.COUNTRY_BLOCKED, "", candidate.country)


def _term_failures(need: Requirement, candidate: Candidate) -> Iterator[Failure]:
    ceiling = need.rate_ceiling_minor
    if ceiling is not None and candidate.rate_minor > ceiling:
        yield Failure(Reason.RATE_ABOVE_CEILING, str(ceiling), str(candidate.rate_minor))
    if candidate.hours_week < need.hours_week:
        yield Failure(Reason.HOURS_TOO_FEW, str(need.hours_week), str(candidate.hours_week))
    if need.lab in candidate.walled_labs:
        yield Failure(Reason.CONFLICT_WALL, "", "")
    if candidate.restricted:
        yield Failure(Reason.RESTRICTED, "", "")


def _valid(expires_on: date | None, on: date) -> bool:
    return expires_on is None or on <= expires_on


def score(requirement: Requirement, candidate: Candidate, *, text_milli: int = 0) -> Score:
    """How well an eligible candidate fits: integers only, so runs compare and hash.

    skill 0.38 (level 0.6 of it, years up to fifteen 0.4), quality 0.27, a bonus
    up to 0.02 for experts nobody has observed yet, rate below the ceiling 0.12,
    hours to spare (up to 20) 0.07, text relevance 0.08 as a tie-break
    (`text_milli`, 0 to 1000). Every component is floored on its own. A candidate
    without the domain scores it as level and years 0.
    """
    skill = candidate.skills.get(requirement.domain, Skill(level=0, years=0))
    level = min(max(skill.level, 0), HIGHEST_LEVEL)
    years = min(max(skill.years, 0), YEARS_THAT_COUNT)
    spare_hours = min(max(candidate.hours_week - requirement.hours_week, 0), HOURS_SLACK_THAT_COUNTS)
    components = {
        "level": _SKILL * (600 * level // HIGHEST_LEVEL),
        "years": _SKILL * (400 * years // YEARS_THAT_COUNT),
        "quality": _QUALITY * _clip_milli(candidate.quality_milli),
        "cold_start": _COLD_START * (MILLI // (1 + candidate.n_obs)) // _COLD_START_DIVISOR,
        "rate_slack": _RATE * _rate_slack_milli(requirement.rate_ceiling_minor, candidate.rate_minor),
        "hours_slack": _HOURS * (MILLI * spare_hours // HOURS_SLACK_THAT_COUNTS),
        "text": _TEXT * _clip_milli(text_milli),
    }
    return Score(total=max(1, sum(components.values())), components=components)


def _rate_slack_milli(ceiling: int | None, rate: int) -> int:
    if not ceiling:
        return 0
    return max(0, MILLI * (ceiling - rate) // ceiling)


def _clip_milli(value: int) -> int:
    return min(max(value, 0), MILLI)


def shrunk_quality(mean_milli: int, n_obs: int) -> int:
    """Quality in thousandths, drawn toward the prior while observations are few.

    (n x mean + 10 x 720) / (n + 10), floored: the posterior mean under a prior
    worth ten observations.
    """
    if n_obs < 0:
        raise ValueError("Observations are counted from zero.")
    total = n_obs * _clip_milli(mean_milli) + QUALITY_PRIOR_WEIGHT * QUALITY_PRIOR_MILLI
    return total // (n_obs + QUALITY_PRIOR_WEIGHT)


def rank(requirement: Requirement, candidates: Iterable[Candidate], *, on: date) -> list[Ranked]:
    """Eligible candidates, best first; equal scores by id, so the order is reproducible."""
    scored = [(score(requirement, c), c) for c in candidates if is_eligible(requirement, c, on=on)]
    scored.sort(key=lambda pair: (-pair[0].total, pair[1].id))
    totals = [points.total for points, _ in scored] + [0]
    return [
        Ranked(candidate=candidate, score=points, margin=points.total - totals[place])
        for place, (points, candidate) in enumerate(scored, start=1)
    ]
