"""What an operator does at the command line: open a lab, publish a rate card."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from marketplace.models import Lab, LabMember, RateCard
from tests.core.api.conftest import Caller
from tests.marketplace.world import lab_caller, make_lab, make_opening, make_project, platform

pytestmark = pytest.mark.django_db
HEAD = "tier,domain,work_type,band,currency,amount\n"


def run(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_a_lab_is_opened_with_a_key_that_works() -> None:
    tenant_id, secret = run("open_lab", "Acme", "--admin", "Admin@acme.example", "--currency", "EUR").split()
    shown = Caller(Authorization=f"Bearer {secret}")("GET", "/api/v1/lab").json()
    assert (shown["id"], shown["name"], shown["currency"]) == (tenant_id, "Acme", "EUR")
    with platform():
        assert LabMember.objects.get().user.email == "admin@acme.example"
        assert Lab.objects.count() == 2
    with pytest.raises(CommandError, match="ISO 4217"):
        run("open_lab", "Other", "--admin", "a@b.example", "--currency", "XXX")


def test_a_labs_own_card_goes_before_the_platforms(tmp_path: Path) -> None:
    lab = make_lab()
    file = tmp_path / "card.csv"
    file.write_text(HEAD + "expert,medicine,,,USD,150.00\n")
    assert "v1, 1 lines" in run("publish_rate_card", str(file), "--title", "Acme", "--lab", lab.tenant.public_id)
    make_opening(make_project(lab))
    cards = lab_caller(lab)("GET", "/api/v1/rate-cards").json()["results"]
    assert [(card["title"], card["own"]) for card in cards] == [("Acme", True), ("Cadre standard", False)]
    (stranger,) = lab_caller(make_lab("Rival"))("GET", "/api/v1/rate-cards").json()["results"]
    assert stranger["title"] == "Cadre standard"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tier,amount\nexpert,1.00\n", "columns"),
        (HEAD + "wizard,,,,USD,1.00\n", "wizard"),
        (HEAD + "expert,astrology,,,USD,1.00\n", "astrology"),
        (HEAD + "expert,,,,USD,1000.01\n", "at most 1000.00"),
        (HEAD + "expert,,,,USD,1\n", "2 decimals"),
        (HEAD + "expert,,,,USD,100.00\nexpert,,,moon,USD,100.00\n", "moon"),
    ],
)
def test_a_bad_card_publishes_nothing(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "card.csv"
    file.write_text(text)
    with pytest.raises(CommandError, match=told):
        run("publish_rate_card", str(file), "--title", "Bad")
    assert RateCard.objects.count() == 1
