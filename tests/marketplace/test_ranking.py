"""The SQL that ranks says the same as the law: who is eligible, why not, and the score to the point."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

import pytest

from core.public import User
from experts.models import (
    Availability,
    Credential,
    Domain,
    Expert,
    ExpertDomain,
    Qualification,
    QualityScore,
    Restriction,
)
from experts.operations import decisions
from experts.public import eligible_facts
from marketplace import eligibility, matching, ranking, rates, rivals
from marketplace.models import ConflictEdge, Lab, Opening
from marketplace.operations import openings, rate_cards
from marketplace.operations.rate_cards import Line
from tests.marketplace.world import NOW, make_contract, make_expert, make_lab, make_opening, make_project, platform

DAY = dt.timedelta(days=1)
DOMAINS = ("medicine", "medicine.cardiology", "law")
COUNTRIES = ("US", "IN", "ET", "BR", "DE")


def by_law(opening: Opening) -> dict[str, tuple[frozenset[str], int]]:
    """Public id → (failing requirements, score) of everybody who has the domain, by the pure functions."""
    document = eligibility.render_requirement(opening.requirement)
    requirement = eligibility.requirement_of(
        document, tier=opening.tier, tenant_id=opening.tenant_id, rate_ceiling_minor=opening.rate_ceiling_minor
    )
    by_band = rate_cards.rates_by_band(opening=opening, now=NOW)
    found = {}
    for facts in eligible_facts():
        candidate = eligibility.candidate_of(
            facts,
            domain=document["domain"],
            rate_minor=by_band[rates.band_of(facts.country)],
            tenant_id=opening.tenant_id,
            walled_tenants=rivals.walled_tenants(expert_id=facts.expert_id, now=NOW),
            now=NOW,
        )
        if document["domain"] in candidate.skills:
            failures = matching.explain_failures(requirement, candidate, on=NOW.date())
            codes = frozenset(failure.code.value for failure in failures)
            found[facts.public_id] = (codes, matching.score(requirement, candidate).total)
    return found


def by_sql(opening: Opening) -> dict[str, tuple[frozenset[str], int]]:
    """The same by one statement."""
    return {row.public_id: (row.failures, row.score) for row in ranking.judge(opening, now=NOW)}


def make_crowd(chance: random.Random, staff: User) -> list[Expert]:
    """Forty experts who differ in everything that a requirement can ask."""
    people = []
    for number in range(40):
        expert = make_expert(
            f"crowd{number}@example.org",
            domain=chance.choice(DOMAINS),
            level=chance.randint(1, 5),
            years=chance.randint(0, 20),
            degree=chance.choice(matching.DEGREES[1:]),
            weekly_hours=chance.randint(0, 40),
            country=chance.choice(COUNTRIES),
            languages=chance.sample(["en", "de", "fr"], chance.randint(0, 3)),
            tier=chance.choice(rates.TIERS),
        )
        with platform():
            _decorate(expert, chance, staff)
        people.append(expert)
    return people


def _decorate(expert: Expert, chance: random.Random, staff: User) -> None:
    domain = Domain.objects.get(code=chance.choice(DOMAINS))
    QualityScore.objects.create(
        expert=expert,
        domain=domain,
        score_ppm=chance.randint(0, 10**6),
        observations=chance.randint(0, 30),
        updated_at=NOW,
    )
    if chance.random() < 0.6:
        status = chance.choice(["verified", "expired", "pending"])
        Credential.objects.create(
            expert=expert,
            domain=ExpertDomain.objects.filter(expert=expert)[0].domain,
            kind="licence",
            award=chance.choice(["medical", "bar"]),
            title="Licence",
            jurisdiction=chance.choice(["US", "US-CA", "DE", "USX"]),
            expires_on=chance.choice([None, NOW.date(), NOW.date() - DAY, NOW.date() + DAY]),
            status=status,
            **({"reason": "seen", "decided_at": NOW} if status != "pending" else {}),
        )
    if chance.random() < 0.5:
        until = chance.choice([None, NOW, NOW - DAY, NOW + DAY])
        Qualification.objects.create(expert=expert, code="rubrics", granted_at=NOW - 9 * DAY, expires_at=until)
    if chance.random() < 0.6:
        _restrict(expert, chance, staff)
    if chance.random() < 0.1:
        Availability.objects.filter(expert=expert).update(open_to_offers=False)


def _restrict(expert: Expert, chance: random.Random, staff: User) -> None:
    decision = decisions.record_decision(
        expert=expert,
        act="restrict",
        subject=expert.public_id,
        reason_code="other",
        explanation="A test.",
        evidence={},
        decided_by=staff,
        now=NOW,
    )
    Restriction.objects.create(
        expert=expert,
        kind=chance.choice(["suspended", "no_new_offers", "no_new_claims"]),
        reason="A test.",
        tenant_id=chance.choice([None, None, *Lab.objects.order_by("pk").values_list("tenant_id", flat=True)]),
        starts_at=chance.choice([NOW - DAY, NOW - DAY, NOW + DAY]),
        ends_at=chance.choice([None, NOW + 2 * DAY]),
        decision=decision,
    )


REQUIREMENTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"domain": "medicine"}, {"tier": "generalist"}),
    ({"domain": "medicine", "min_level": 3, "min_years": 5, "degree": "master"}, {"tier": "specialist"}),
    ({"domain": "medicine.cardiology", "languages": ["en", "de"], "hours_week": 12}, {"tier": "skilled"}),
    ({"domain": "law", "countries": {"allow": ["US", "DE"]}, "qualifications": ["rubrics"]}, {"tier": "skilled"}),
    ({"domain": "medicine", "countries": {"block": ["IN"]}}, {"tier": "skilled", "rate_ceiling_minor": 3_000}),
    (
        {"domain": "medicine", "licences": [{"kind": "medical", "jurisdiction": "US"}, {"kind": "bar"}]},
        {"tier": "generalist"},
    ),
    ({"domain": "law", "licences": [{"kind": "bar", "jurisdiction": "DE"}]}, {"tier": "generalist"}),
]


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(2))
def test_sql_and_law_agree_about_everybody(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  # nothing is secret here: a crowd that is the same in every run
    ours, rival = make_lab("Ours"), make_lab("Rival")
    staff = User.objects.create_user("staff@example.org", is_staff=True)
    crowd = make_crowd(chance, staff)
    low, high = sorted((ours.tenant_id, rival.tenant_id))
    with platform():
        ConflictEdge.objects.create(tenant_low_id=low, tenant_high_id=high, starts_on=NOW.date())
    spy = make_expert("spy@example.org", domain="medicine", languages=["en", "de"], level=5, years=20)
    make_contract(make_opening(make_project(rival), requirement={"domain": "medicine"}), spy)
    project, seen = make_project(ours), set()
    for requirement, fields in REQUIREMENTS:
        opening = make_opening(project, requirement={"min_level": 0, "languages": [], **requirement}, **fields)
        with platform():
            locked = openings.lock(opening)
            sql, law = by_sql(locked), by_law(locked)
            closed = set(Availability.objects.filter(open_to_offers=False).values_list("expert__public_id", flat=True))
        assert sql == {who: judged for who, judged in law.items() if who not in closed}
        seen |= {code for codes, _ in sql.values() for code in codes}
        _check_order(locked, sql)
    assert len(crowd) == 40
    assert seen >= {
        "tier_too_low", "level_too_low", "years_too_few", "degree_too_low", "licence_missing", "language_missing",
        "country_not_allowed", "country_blocked", "qualification_missing", "rate_above_ceiling", "hours_too_few",
        "licence_expired", "qualification_expired", "conflict_wall", "restricted",
    }  # fmt: skip


def _check_order(opening: Opening, judged: dict[str, tuple[frozenset[str], int]]) -> None:
    """Best first, ties by id; margins are the leads; components sum to the score."""
    with platform():
        ranked = ranking.rank(opening, now=NOW, limit=200)
    expected = sorted((-score, who) for who, (codes, score) in judged.items() if not codes)
    assert [row.score for row in ranked] == [-score for score, _ in expected]
    scores = [row.score for row in ranked] + [0]
    assert [row.margin for row in ranked] == [scores[n] - scores[n + 1] for n in range(len(ranked))]
    assert all(max(1, sum(row.components.values())) == row.score for row in ranked)


@pytest.mark.django_db
def test_whoever_is_engaged_or_acts_for_the_lab_is_not_proposed() -> None:
    lab = make_lab()
    opening = make_opening(make_project(lab))
    make_contract(opening, make_expert("engaged@example.org"))
    free = make_expert("free@example.org")
    with platform():
        members = User.objects.get(email="admin@acme.example")
    make_expert(user=members)
    with platform():
        found = ranking.rank(openings.lock(opening), now=NOW, limit=200)
    assert [row.expert_id for row in found] == [free.pk]


class TestRates:
    """The lab's own card goes before the platform's; what is nearer in the taxonomy before what is further."""

    def rate(self, lab: Lab, **fields: Any) -> dict[str, int]:
        requirement = {"domain": fields.pop("domain", "medicine.cardiology"), "languages": [], "min_level": 0}
        opening = make_opening(make_project(lab, task_types=["rubric_authoring"]), requirement=requirement, **fields)
        with platform():
            return rate_cards.rates_by_band(opening=openings.lock(opening), now=NOW)

    @pytest.mark.parametrize(
        ("tier", "domain", "expected"),
        [
            ("generalist", "humanities.history", {"high": 1600, "upper_middle": 1120, "lower_middle": 800, "low": 560}),
            ("skilled", "law.tax", {"high": 4200, "upper_middle": 2940, "lower_middle": 2100, "low": 1470}),
            ("expert", "software.backend", dict.fromkeys(rates.LOCATION_BANDS, 11_000)),
            ("senior_expert", "medicine.cardiology", dict.fromkeys(rates.LOCATION_BANDS, 26_000)),
            ("principal", "finance", dict.fromkeys(rates.LOCATION_BANDS, 60_000)),
        ],
    )
    def test_the_seed_card_prices_tier_domain_and_place(
        self, db: None, tier: str, domain: str, expected: dict[str, int]
    ) -> None:
        assert self.rate(make_lab(), tier=tier, domain=domain) == expected

    def test_a_labs_own_card_overrides_the_nearest_branch_and_work_type(self, db: None) -> None:
        lab, other = make_lab(), make_lab("Other")
        with platform():
            rate_cards.publish(
                title="Acme",
                tenant=lab.tenant,
                valid_from=NOW - DAY,
                now=NOW,
                lines=[
                    Line("expert", 12_000, "USD"),
                    Line("expert", 15_000, "USD", domain="medicine"),
                    Line("expert", 99_000, "USD", domain="medicine", work_type="rubric_authoring"),
                ],
            )
        assert self.rate(lab) == {"high": 15_000, "upper_middle": 15_000, "lower_middle": 15_000, "low": 15_000}
        assert self.rate(lab, domain="law")["high"] == 12_000
        assert self.rate(lab, work_type="rubric_authoring")["low"] == 99_000
        assert self.rate(lab, tier="specialist")["high"] == 7_800
        assert self.rate(other)["high"] == 14_300
