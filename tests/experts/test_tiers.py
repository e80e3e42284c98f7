"""The ladder, and a person's word over it."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.public import User
from experts.errors import OwnWork, ReasonMissing
from experts.models import Credential, Expert
from experts.operations import tiers as operations
from experts.tiers import DEGREES, TIERS, Claim, Proof, tier_of
from tests.experts.people import Api

NOW = dt.datetime(2026, 11, 16, 9, tzinfo=dt.UTC)
DOCTORATE, LICENCE, POST = Proof("degree", "doctorate"), Proof("licence", "medical"), Proof("employer")


@pytest.mark.parametrize(
    ("proofs", "claims", "tier"),
    [
        ([], [], "generalist"),
        ([], [Claim(5, 40, proven=False)], "generalist"),
        ([Proof("portfolio")], [Claim(1, 0, proven=False)], "skilled"),
        ([Proof("degree", "bachelor")], [Claim(3, 2, proven=True)], "specialist"),
        ([Proof("degree", "bachelor")], [Claim(3, 2, proven=False)], "skilled"),
        ([DOCTORATE], [Claim(3, 5, proven=True)], "expert"),
        ([LICENCE], [Claim(5, 30, proven=True)], "expert"),
        ([LICENCE, POST], [Claim(4, 10, proven=True)], "senior_expert"),
        ([DOCTORATE, LICENCE, POST], [Claim(5, 15, proven=True)], "principal"),
        ([DOCTORATE, LICENCE, POST], [Claim(5, 4, proven=True), Claim(2, 15, proven=True)], "specialist"),
        ([POST, POST, POST], [Claim(5, 15, proven=True)], "specialist"),
    ],
)
def test_the_ladder(proofs: list[Proof], claims: list[Claim], tier: str) -> None:
    verdict = tier_of(proofs, claims)
    assert verdict.tier == tier
    assert operations.reason_of(verdict)
    assert len(operations.missing_of(verdict)) == len(verdict.missing)
    assert bool(verdict.missing) is (tier != "principal")


PROOFS = st.lists(
    st.builds(
        Proof, st.sampled_from(["degree", "licence", "employer", "certificate", "portfolio"]), st.sampled_from(DEGREES)
    )
)
CLAIMS = st.lists(st.builds(Claim, st.integers(1, 5), st.integers(0, 80), st.booleans()))


@given(proofs=PROOFS, claims=CLAIMS, more=st.builds(Proof, st.just("licence"), st.just("medical")))
def test_more_proof_never_lowers_a_tier(proofs: list[Proof], claims: list[Claim], more: Proof) -> None:
    before, after = tier_of(proofs, claims), tier_of([*proofs, more], claims)
    assert TIERS.index(after.tier) >= TIERS.index(before.tier)


@given(proofs=PROOFS, claims=CLAIMS)
def test_an_unproven_word_never_lifts_above_what_it_counts_for(proofs: list[Proof], claims: list[Claim]) -> None:
    unproven = [Claim(claim.level, claim.years, proven=False) for claim in claims]
    assert tier_of(proofs, unproven).tier in {"generalist", "skilled"}


def test_a_persons_word_stays_until_it_is_given_back(ada: Api, verifier: User) -> None:
    with pytest.raises(ReasonMissing):
        operations.override(expert=ada.expert, tier="principal", reason="", by=verifier, now=NOW)
    with pytest.raises(OwnWork):
        operations.override(expert=ada.expert, tier="principal", reason="Me.", by=ada.expert.user, now=NOW)
    operations.override(expert=ada.expert, tier="principal", reason="Nobel prize.", by=verifier, now=NOW)
    shown = ada.get("/").json()["tier"]
    assert (shown["tier"], shown["source"], shown["reason"]) == ("principal", "admin", "Nobel prize.")
    Credential.objects.create(expert=ada.expert, kind="portfolio", title="x", status="pending")
    operations.recompute(expert=ada.expert, now=NOW)
    assert Expert.objects.get(pk=ada.expert.pk).tier == "principal"
    operations.return_to_rule(expert=ada.expert, by=verifier, now=NOW)
    assert Expert.objects.get(pk=ada.expert.pk).tier == "generalist"
