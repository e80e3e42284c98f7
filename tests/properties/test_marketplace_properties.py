"""Laws of rates and matching that hold for every input."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from marketplace.matching import (
    DEGREES,
    HIGHEST_SCORE,
    Candidate,
    Requirement,
    Skill,
    explain_failures,
    rank,
    score,
    shrunk_quality,
)
from marketplace.rates import ACTIVITIES, planned_hourly_rate, reservation_for

DOMAINS = ("law", "medicine", "stem")
LANGUAGES = ("de", "en", "fr")
COUNTRIES = ("DE", "IN", "US")
TODAY = date(2026, 11, 23)

skills = st.builds(Skill, level=st.integers(0, 5), years=st.integers(0, 40))
some_countries = st.frozensets(st.sampled_from(COUNTRIES))
candidates = st.builds(
    Candidate,
    id=st.uuids().map(str),
    skills=st.dictionaries(st.sampled_from(DOMAINS), skills),
    rate_minor=st.integers(0, 100_000),
    hours_week=st.integers(0, 60),
    country=st.sampled_from(COUNTRIES),
    degree=st.sampled_from(DEGREES),
    languages=st.frozensets(st.sampled_from(LANGUAGES)),
    walled_labs=st.frozensets(st.sampled_from(["ten_a", "ten_b"])),
    quality_milli=st.integers(0, 1_000),
    n_obs=st.integers(0, 5_000),
)
requirements = st.builds(
    Requirement,
    domain=st.sampled_from(DOMAINS),
    min_level=st.integers(0, 5),
    min_years=st.integers(0, 20),
    degree=st.sampled_from(DEGREES),
    languages=st.frozensets(st.sampled_from(LANGUAGES)),
    countries_allowed=st.none() | some_countries,
    countries_blocked=some_countries,
    rate_ceiling_minor=st.none() | st.integers(0, 100_000),
    hours_week=st.integers(0, 40),
    lab=st.sampled_from(["ten_a", "ten_c"]),
)


@given(requirement=requirements, candidate=candidates, text=st.integers(-10, 2_000))
def test_a_score_is_in_range_and_made_of_its_components(
    requirement: Requirement, candidate: Candidate, text: int
) -> None:
    result = score(requirement, candidate, text_milli=text)
    assert 1 <= result.total <= HIGHEST_SCORE
    assert result.total == max(1, sum(result.components.values()))
    assert min(result.components.values()) >= 0


@given(requirement=requirements, pool=st.lists(candidates, max_size=8))
def test_a_ranking_holds_the_eligible_in_order(requirement: Requirement, pool: list[Candidate]) -> None:
    ranked = rank(requirement, pool, on=TODAY)
    eligible = [c for c in pool if not explain_failures(requirement, c, on=TODAY)]
    assert {r.candidate.id for r in ranked} == {c.id for c in eligible}
    totals = [r.score.total for r in ranked]
    assert totals == sorted(totals, reverse=True)
    assert all(r.margin >= 0 for r in ranked)


@given(requirement=requirements, candidate=candidates)
def test_each_failure_is_told_once(requirement: Requirement, candidate: Candidate) -> None:
    told = [(f.code, f.needed) for f in explain_failures(requirement, candidate, on=TODAY)]
    assert len(told) == len(set(told))


@given(mean=st.integers(0, 1_000), n=st.integers(0, 10**6))
def test_shrinking_lies_between_prior_and_mean(mean: int, n: int) -> None:
    assert min(mean, 720) - 1 <= shrunk_quality(mean, n) <= max(mean, 720)


@given(
    rate=st.integers(0, 100_000),
    policy=st.fixed_dictionaries({activity: st.integers(0, 10_000) for activity in ACTIVITIES}),
    plan=st.dictionaries(st.sampled_from(ACTIVITIES), st.integers(1, 10**6), min_size=1),
)
def test_the_planned_rate_never_exceeds_the_promised_one(
    rate: int, policy: dict[str, int], plan: dict[str, int]
) -> None:
    paid = planned_hourly_rate(rate_minor=rate, policy=policy, planned_seconds=plan)
    assert 0 <= paid <= rate
    full = dict.fromkeys(ACTIVITIES, 10_000)
    assert planned_hourly_rate(rate_minor=rate, policy=full, planned_seconds=plan) == rate


@given(cap=st.integers(0, 604_800), rate=st.integers(0, 100_000), fee=st.integers(0, 5_000))
def test_a_reservation_grows_with_the_cap(cap: int, rate: int, fee: int) -> None:
    less = reservation_for(weekly_cap_seconds=cap, rate_minor=rate, fee_bp=fee)
    more = reservation_for(weekly_cap_seconds=cap + 3_600, rate_minor=rate, fee_bp=fee)
    assert 0 <= less <= more
