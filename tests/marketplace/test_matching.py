"""Eligibility with every reason, and a score that can be taken apart."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import date

import pytest

from marketplace.matching import (
    DEGREES,
    HIGHEST_SCORE,
    Candidate,
    Licence,
    LicenceNeed,
    Reason,
    Requirement,
    Skill,
    explain_failures,
    is_eligible,
    rank,
    score,
    shrunk_quality,
)
from tests.shared_data import shared_file, shared_json

TODAY = date(2026, 11, 23)

OPENING = Requirement(
    domain="medicine",
    min_level=3,
    min_years=5,
    degree="doctorate",
    licences=(LicenceNeed("physician", "US"),),
    languages=frozenset({"en"}),
    countries_allowed=frozenset({"US", "CA"}),
    qualifications=frozenset({"rubrics-101"}),
    rate_ceiling_minor=20_000,
    hours_week=10,
    lab="ten_a",
)
DOCTOR = Candidate(
    id="exp_1",
    skills={"medicine": Skill(level=4, years=10)},
    rate_minor=15_000,
    hours_week=20,
    country="US",
    degree="doctorate",
    licences=(Licence("physician", "US-CA", date(2027, 1, 1)),),
    languages=frozenset({"en", "es"}),
    qualifications={"rubrics-101": None},
)


def codes(candidate: Candidate, requirement: Requirement = OPENING) -> list[Reason]:
    return [failure.code for failure in explain_failures(requirement, candidate, on=TODAY)]


def test_an_expert_who_meets_everything_has_no_failures() -> None:
    assert codes(DOCTOR) == []
    assert is_eligible(OPENING, DOCTOR, on=TODAY)


def test_all_failing_requirements_are_told_at_once() -> None:
    nobody = Candidate(
        id="exp_2",
        skills={},
        rate_minor=20_001,
        hours_week=9,
        country="DE",
        walled_labs=frozenset({"ten_a"}),
        restricted=True,
    )
    assert codes(nobody) == [
        Reason.DOMAIN_MISSING,
        Reason.DEGREE_TOO_LOW,
        Reason.LICENCE_MISSING,
        Reason.QUALIFICATION_MISSING,
        Reason.LANGUAGE_MISSING,
        Reason.COUNTRY_NOT_ALLOWED,
        Reason.RATE_ABOVE_CEILING,
        Reason.HOURS_TOO_FEW,
        Reason.CONFLICT_WALL,
        Reason.RESTRICTED,
    ]


def test_a_failure_says_what_was_asked_and_what_there_is() -> None:
    junior = replace(DOCTOR, skills={"medicine": Skill(level=2, years=4)})
    level, years = explain_failures(OPENING, junior, on=TODAY)
    assert (level.code, level.needed, level.has) == ("level_too_low", "3", "2")
    assert (years.code, years.needed, years.has) == ("years_too_few", "5", "4")


def test_a_licence_counts_through_its_last_day_and_in_its_place() -> None:
    def with_licence(jurisdiction: str, expires_on: date | None) -> Candidate:
        return replace(DOCTOR, licences=(Licence("physician", jurisdiction, expires_on),))

    assert codes(with_licence("US-NY", None)) == []
    assert codes(with_licence("US", TODAY)) == []
    assert codes(with_licence("US", date(2026, 11, 22))) == [Reason.LICENCE_EXPIRED]
    assert codes(with_licence("DE", None)) == [Reason.LICENCE_MISSING]
    in_california = replace(OPENING, licences=(LicenceNeed("physician", "US-CA"),))
    assert codes(with_licence("US", None), in_california) == [Reason.LICENCE_MISSING]
    anywhere = replace(OPENING, licences=(LicenceNeed("physician"),))
    assert codes(with_licence("DE", None), anywhere) == []


def test_an_expired_licence_beside_a_valid_one_does_no_harm() -> None:
    both = (Licence("physician", "US-NY", date(2020, 1, 1)), *DOCTOR.licences)
    assert codes(replace(DOCTOR, licences=both)) == []


def test_a_qualification_expires() -> None:
    assert codes(replace(DOCTOR, qualifications={"rubrics-101": TODAY})) == []
    expired = replace(DOCTOR, qualifications={"rubrics-101": date(2026, 11, 22)})
    assert codes(expired) == [Reason.QUALIFICATION_EXPIRED]


def test_a_country_can_be_blocked() -> None:
    anywhere_but = replace(OPENING, countries_allowed=None, countries_blocked=frozenset({"US"}))
    assert codes(DOCTOR, anywhere_but) == [Reason.COUNTRY_BLOCKED]


def test_a_wall_names_no_rival() -> None:
    (failure,) = explain_failures(OPENING, replace(DOCTOR, walled_labs=frozenset({"ten_a", "ten_b"})), on=TODAY)
    assert (failure.code, failure.needed, failure.has) == (Reason.CONFLICT_WALL, "", "")


def test_the_score_is_the_sum_of_its_components() -> None:
    result = score(OPENING, DOCTOR, text_milli=500)
    assert result.components == {
        "level": 182_400,
        "years": 101_080,
        "quality": 194_400,
        "cold_start": 20_000,
        "rate_slack": 30_000,
        "hours_slack": 35_000,
        "text": 40_000,
    }
    assert result.total == sum(result.components.values()) == 602_880


def test_observation_takes_the_newcomers_bonus_away() -> None:
    assert score(OPENING, replace(DOCTOR, n_obs=999)).components["cold_start"] == 20
    assert score(OPENING, replace(DOCTOR, n_obs=1_000)).components["cold_start"] == 0


def test_the_best_possible_score_stays_below_a_million() -> None:
    perfect = replace(
        DOCTOR, skills={"medicine": Skill(level=9, years=60)}, rate_minor=0, hours_week=168, quality_milli=1_000
    )
    assert score(OPENING, perfect, text_milli=9_999).total == 940_000 <= HIGHEST_SCORE
    assert score(replace(OPENING, rate_ceiling_minor=None), perfect).components["rate_slack"] == 0


def test_quality_starts_at_the_prior_and_follows_the_evidence() -> None:
    assert shrunk_quality(1_000, 0) == 720
    assert shrunk_quality(1_000, 10) == 860
    assert shrunk_quality(0, 10) == 360
    assert shrunk_quality(900, 10_000) == 899
    with pytest.raises(ValueError, match="zero"):
        shrunk_quality(900, -1)


def test_the_ranking_is_reproducible_and_says_by_how_much() -> None:
    twin = replace(DOCTOR, id="exp_0")
    better = replace(DOCTOR, id="exp_9", quality_milli=900)
    hopeless = replace(DOCTOR, id="exp_3", country="DE")
    ranked = rank(OPENING, [DOCTOR, hopeless, better, twin], on=TODAY)
    assert [r.candidate.id for r in ranked] == ["exp_9", "exp_0", "exp_1"]
    assert [r.margin for r in ranked[:2]] == [48_600, 0]
    assert rank(OPENING, [hopeless], on=TODAY) == []


def _instance(name: str) -> tuple[list[Candidate], list[Requirement]]:
    with shared_file("matching", name, "experts.csv").open(encoding="utf-8") as rows:
        experts = [_expert(row) for row in csv.DictReader(rows)]
    with shared_file("matching", name, "tasks.csv").open(encoding="utf-8") as rows:
        return experts, [_task(row) for row in csv.DictReader(rows)]


def _expert(row: dict[str, str]) -> Candidate:
    parts = (entry.split(":") for entry in row["skills(dom:level:years)"].split())
    return Candidate(
        id=row["id"],
        skills={domain: Skill(level=int(level), years=int(years)) for domain, level, years in parts},
        rate_minor=int(row["rate_cents"]),
        hours_week=int(row["hours_week"]),
        country=row["country"],
        degree=DEGREES[int(row["degree"])],
        licences=tuple(Licence(kind, "") for kind in row["licences"].split()),
        languages=frozenset(row["languages"].split()),
        walled_labs=frozenset(row["walled_labs"].split()),
        quality_milli=int(row["quality_milli"]),
        n_obs=int(row["n_obs"]),
    )


def _task(row: dict[str, str]) -> Requirement:
    countries = frozenset(row["countries"].split())
    mode = row["country_mode"]
    return Requirement(
        domain=row["domain"],
        min_level=int(row["min_level"]),
        min_years=int(row["min_years"]),
        degree=DEGREES[int(row["min_degree"])],
        licences=() if row["licence"] == "-1" else (LicenceNeed(row["licence"]),),
        languages=frozenset({row["language"]}),
        countries_allowed=countries if mode == "1" else None,
        countries_blocked=countries if mode == "2" else frozenset(),
        rate_ceiling_minor=int(row["rate_ceiling_cents"]),
        hours_week=int(row["hours_week"]),
        lab=row["lab"],
    )


@pytest.mark.parametrize("name", ["A1-small", "B1-walls-small"])
def test_eligibility_agrees_with_the_solved_instances(name: str) -> None:
    answer = shared_json("matching", name, "answer.json")
    experts, tasks = _instance(name)
    eligible = [sum(is_eligible(task, expert, on=TODAY) for expert in experts) for task in tasks]
    assert eligible[:20] == answer["eligible_count_first_20_tasks"]
    assert sum(eligible) == answer["eligible_pairs"]
