"""Where four eyes begin, the id of an answer has another prefix: the published contract says so, and answers keep it."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from core.api import docs
from core.money import Money
from core.public import User
from marketplace.public import MONEY_DECIDER, LabMember
from payments.api.urls import lab_urlpatterns
from payments.operations.pay import platform_pay
from tests import documented
from tests.payments import hours_world as hours
from tests.payments.beside import LATER
from tests.payments.hours_world import Caller, World, platform

pytestmark = pytest.mark.django_db
CFO = "cfo@aurora.example"


@pytest.fixture
def world() -> World:
    with platform():
        world = hours.build()
        LabMember.objects.create(tenant=world.tenant, user=User.objects.create_user(CFO), role=LabMember.Role.ADMIN)
    return world


@pytest.fixture
def caller(world: World) -> Caller:
    return hours.lab_caller(world)


def fits(component: str, answer: dict[str, Any]) -> None:
    """Raises ValidationError unless the answer is what clients were promised."""
    schemas = orjson.loads(docs.document())["components"]
    Draft202012Validator({"$ref": f"#/components/schemas/{component}", "components": schemas}).validate(answer)


def bonus(world: World, amount: str) -> dict[str, Any]:
    money = {"amount": amount, "currency": "USD"}
    return {
        "contract": world.contract.public_id,
        "amount": money,
        "reason": "Thanks.",
        "decided_by": world.member.email,
    }


def milestone(world: World, budget: str) -> dict[str, Any]:
    return {
        "project": world.contract.project.public_id,
        "title": "Fifty accepted rubrics",
        "basis": "accepted_submissions",
        "count": 50,
        "amount": {"amount": "250.00", "currency": "USD"},
        "budget": {"amount": budget, "currency": "USD"},
        "decided_by": world.member.email,
    }


@pytest.mark.parametrize(("amount", "prefix"), [("1000.00", "adj"), ("1000.01", "prp")])
def test_a_bonus_fits_its_schema_on_both_sides_of_the_threshold(
    world: World, caller: Caller, amount: str, prefix: str
) -> None:
    made = caller("POST", "/bonuses", bonus(world, amount)).json()
    assert made["id"][:3] == prefix
    fits("Bonus", made)


def test_many_bonuses_fit_theirs(world: World, caller: Caller) -> None:
    row = {name: value for name, value in bonus(world, "600.00").items() if name != "decided_by"}
    rows = [row, {**row, "reason": "Thanks again."}]
    made = caller("POST", "/bonuses/bulk", {"bonuses": rows, "decided_by": world.member.email}).json()
    assert made["status"] == "proposed"
    fits("BulkBonuses", made)
    cfo = hours.member_caller(world, CFO)
    done = cfo("POST", f"/bonuses/{made['proposal']['id']}/approve", {"decided_by": CFO}, at=LATER).json()
    assert done["outcome"] == done["id"]
    fits("BonusProposal", done)


@pytest.mark.parametrize(("budget", "prefix"), [("1000.00", "mst"), ("5000.00", "prp")])
def test_a_milestone_fits_its_schema_on_both_sides_of_the_threshold(
    world: World, caller: Caller, budget: str, prefix: str
) -> None:
    made = caller("POST", "/milestones", milestone(world, budget)).json()
    assert made["id"][:3] == prefix
    fits("Milestone", made)


def test_what_a_proposal_became_fits_too(world: World, caller: Caller) -> None:
    made = caller("POST", "/milestones", milestone(world, "5000.00")).json()
    cfo = hours.member_caller(world, CFO)
    done = cfo("POST", f"/bonuses/{made['id']}/approve", {"decided_by": CFO}, at=LATER).json()
    assert done["outcome"][:3] == "mst"
    fits("BonusProposal", done)


def test_what_the_platform_paid_is_explained_as_documented(world: World) -> None:
    """It is told as an adjustment, under an id of its own kind."""
    with platform():
        paid = platform_pay.pay_referral(
            expert=world.expert, amount=Money(500, "USD"), reason="You brought Ada.", now=LATER
        )
    told = hours.expert_caller(world)("GET", f"/expert/earnings/{paid.public_id}/explain", at=LATER).json()
    assert told["adjustment"]["id"][:3] == "ppy"
    fits("Adjustment", told["adjustment"])


def test_whoever_decides_about_money_is_told_to_be_a_manager_or_admin(world: World, caller: Caller) -> None:
    """In the words of the document and by the answer; a reviewer decides about work."""
    deciding = deciders()
    assert len(deciding) >= 11
    assert set(deciding.values()) == {MONEY_DECIDER}
    with platform():
        reviewer = User.objects.create_user("reviewer@aurora.example")
        LabMember.objects.create(tenant=world.tenant, user=reviewer, role=LabMember.Role.REVIEWER)
    refused = caller("POST", "/bonuses", {**bonus(world, "1.00"), "decided_by": reviewer.email})
    assert refused.status_code == 400
    assert [error["code"] for error in refused.json()["errors"]] == ["may_not_pay"]


def deciders() -> dict[str, str]:
    """What the document says about `decided_by`, for each request of this floor that reads it."""
    document = orjson.loads(docs.document())
    found = {}
    for pattern in lab_urlpatterns:
        path = "/api/v1/" + re.sub(r"<str:(\w+)>", r"{\1}", str(pattern.pattern))
        content = document["paths"].get(path, {}).get("post", {}).get("requestBody", {}).get("content", {})
        name = content.get("application/json", {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
        member = document["components"]["schemas"].get(name, {}).get("properties", {}).get("decided_by")
        if member:
            found[path] = member["description"]
    return found


def test_every_test_of_hours_and_money_is_held_to_the_document(world: World, caller: Caller) -> None:
    """The check that stands behind every request of these tests can fail."""
    answer = caller("GET", "/bonuses")
    documented.check(answer, "/api/v1/bonuses")
    spoilt = {"next": None, "previous": None, "results": [{"id": world.contract.public_id}]}
    for content, status in ((spoilt, 200), (answer.json(), 418)):
        other = SimpleNamespace(
            headers=answer.headers,
            resolver_match=answer.resolver_match,
            request=answer.request,
            status_code=status,
            streaming=False,
            content=orjson.dumps(content),
        )
        with pytest.raises(documented.Undocumented):
            documented.check(other, "/api/v1/bonuses")
