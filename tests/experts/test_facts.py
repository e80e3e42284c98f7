"""What matching reads: the views say the same as the pure rules."""

from __future__ import annotations

import datetime as dt

import pytest

from core.principal import Principal
from core.public import User, unit_of_work
from experts.models import Credential, Domain, Expert, ExpertDomain, ExpertFacts, IscedField, SkillFacts
from experts.operations import profiles, quality, restrictions
from experts.queries import skilled_in
from experts.tiers import UNPROVEN_LEVEL, UNPROVEN_YEARS

NOW = dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC)

pytestmark = pytest.mark.django_db


def make_expert(email: str = "ada@example.org", **fields: object) -> Expert:
    user = User.objects.create_user(email, name="Ada Lovelace")
    expert = profiles.become_expert(user=user, now=NOW)
    Expert.objects.filter(pk=expert.pk).update(**{"country": "DE", "languages": ["en", "de"], **fields})
    return expert


def claim(expert: Expert, code: str, level: int, years: int) -> None:
    ExpertDomain.objects.create(expert=expert, domain=Domain.objects.get(code=code), level=level, years=years)


def credential(expert: Expert, code: str, **fields: object) -> Credential:
    values = {"kind": "degree", "award": "doctorate", "title": "MD", "status": "verified", "reason": "seen"}
    return Credential.objects.create(
        expert=expert, domain=Domain.objects.get(code=code), decided_at=NOW, **{**values, **fields}
    )


def test_the_taxonomy_is_planted_with_its_classification() -> None:
    cardiology = Domain.objects.select_related("isced__parent__parent", "parent").get(code="medicine.cardiology")
    assert cardiology.isced.name == "Medicine"
    assert cardiology.isced.parent is not None
    assert cardiology.isced.parent.parent is not None
    assert cardiology.isced.parent.parent.name == "Health and welfare"
    assert cardiology.parent is not None
    assert cardiology.parent.code == "medicine"
    assert IscedField.objects.filter(parent=None).count() == 11


def test_an_unproven_word_counts_little_and_a_verified_credential_in_the_branch_makes_it_count() -> None:
    expert = make_expert()
    claim(expert, "medicine.cardiology", 5, 20)
    row = SkillFacts.objects.get(expert=expert, domain_code="medicine.cardiology")
    assert (row.level, row.years, row.proven) == (UNPROVEN_LEVEL, UNPROVEN_YEARS, False)

    credential(expert, "law")
    assert not SkillFacts.objects.get(expert=expert, domain_code="medicine").proven
    credential(expert, "medicine")
    for code in ("medicine", "medicine.cardiology"):
        row = SkillFacts.objects.get(expert=expert, domain_code=code)
        assert (row.level, row.years, row.proven) == (5, 20, True)
    assert not SkillFacts.objects.filter(expert=expert, domain_code__startswith="law").exists()


def test_facts_of_one_expert_are_one_row(django_assert_num_queries: object) -> None:
    expert = make_expert()
    claim(expert, "medicine", 4, 8)
    credential(expert, "medicine")
    credential(expert, "medicine", kind="licence", award="medical", jurisdiction="DE", expires_on=dt.date(2026, 12, 1))
    credential(expert, "medicine", status="rejected", award="master")
    quality.grant_qualification(expert=expert, code="rubrics", now=NOW)
    medicine = Domain.objects.get(code="medicine")
    quality.record_quality(expert_id=expert.pk, domain_id=medicine.pk, score_ppm=910_000, observations=7, now=NOW)
    facts = ExpertFacts.objects.get(expert=expert)
    assert facts.degree == "doctorate"
    assert facts.licences == [{"kind": "medical", "jurisdiction": "DE", "expires_on": "2026-12-01"}]
    assert facts.qualifications == {"rubrics": None}
    assert facts.skills == {"medicine": {"level": 4, "years": 8, "proven": True}}
    assert facts.quality == {"medicine": {"score_ppm": 910_000, "observations": 7}}
    assert facts.languages == ["en", "de"]
    assert facts.restrictions == []


def test_restricted_experts_are_not_offered_work_but_can_be_told_why() -> None:
    expert = make_expert()
    claim(expert, "law", 2, 1)
    staff = User.objects.create_user("staff@example.org", is_staff=True)
    assert skilled_in(domain="law", now=NOW).count() == 1
    with unit_of_work(Principal.system("tests.restrict")):
        restrictions.impose(expert=expert, kind="no_new_offers", reason="Shared a task.", by=staff, now=NOW)
    assert not skilled_in(domain="law", now=NOW).exists()
    assert ExpertFacts.objects.get(expert=expert).restrictions[0]["kind"] == "no_new_offers"
