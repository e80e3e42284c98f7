"""What a lab and an expert are told of each other, and what neither may learn: rivals, accusations, names."""

from __future__ import annotations

from typing import Any

import pytest

from core import clock
from core.public import User
from experts.models import Availability, Decision, Expert
from experts.operations import restrictions
from marketplace.models import ConflictEdge, Lab, LabExpert, LabMember, Opening
from marketplace.operations import conflicts, contracts
from tests.core.api.conftest import Caller, problem
from tests.marketplace.world import (
    NOW,
    admin_of,
    again,
    expert_caller,
    lab_caller,
    make_contract,
    make_expert,
    make_lab,
    make_offer,
    make_opening,
    make_project,
    platform,
    signatures_for,
)

pytestmark = pytest.mark.django_db
V1 = "/api/v1"
UNAVAILABLE = {"code": "unavailable", "needed": "", "has": ""}


@pytest.fixture
def lab() -> Lab:
    return make_lab("Ours")


@pytest.fixture
def rival(lab: Lab) -> Lab:
    """A lab that competes with ours."""
    other = make_lab("Rival")
    low, high = sorted((lab.tenant_id, other.tenant_id))
    with platform():
        ConflictEdge.objects.create(tenant_low_id=low, tenant_high_id=high, starts_on=NOW.date())
    return other


@pytest.fixture
def opening(lab: Lab) -> Opening:
    return make_opening(make_project(lab), seats=9)


def walled(rival: Lab, email: str) -> Expert:
    """Somebody who works for the rival."""
    expert = make_expert(email)
    make_contract(make_opening(make_project(rival)), expert)
    return expert


def restricted(expert: Expert, *, by: User) -> Expert:
    """Somebody whom the platform keeps from new offers."""
    with platform():
        restrictions.impose(expert=expert, kind="no_new_offers", reason="Under review.", by=by, now=NOW)
    return expert


def closed(expert: Expert) -> Expert:
    """Somebody who wants no offers."""
    with platform():
        Availability.objects.filter(expert=expert).update(open_to_offers=False)
    return expert


def member(lab: Lab) -> Expert:
    """Somebody who decides for the lab."""
    person = make_expert("member@example.org")
    with platform():
        LabMember.objects.create(tenant=lab.tenant, user_id=person.user_id, role=LabMember.Role.VIEWER)
    return person


def operator() -> User:
    return User.objects.create_user("olga@example.org", name="Olga Operator", is_staff=True)


def offered(caller: Caller, opening: Opening, expert: Expert) -> dict[str, Any]:
    """What the lab hears when it offers a seat to an expert it knows; without what names the request."""
    with platform():
        known, _ = LabExpert.objects.get_or_create(tenant_id=opening.tenant_id, expert=expert)
    path = f"{V1}/openings/{opening.public_id}/offers"
    with clock.frozen(NOW):
        refused = problem(caller("POST", path, {"candidates": [known.public_id]}), 409, "not_eligible")
    return {name: value for name, value in refused.items() if name not in {"instance", "request_id"}}


def test_a_lab_hears_the_same_of_a_wall_a_restriction_a_wish_and_its_own_people(
    lab: Lab, rival: Lab, opening: Opening
) -> None:
    caller = lab_caller(lab)
    spy = walled(rival, "spy@example.org")
    accused = restricted(make_expert("accused@example.org"), by=operator())
    both = restricted(walled(rival, "both@example.org"), by=User.objects.get(email="olga@example.org"))
    answers = [
        offered(caller, opening, expert)
        for expert in (spy, accused, both, closed(make_expert("shy@example.org")), member(lab))
    ]
    assert answers[0]["reasons"] == [UNAVAILABLE]
    assert answers == [answers[0]] * 5
    with platform():
        assert not opening.offers.exists()


def test_what_the_opening_asks_is_still_told_beside_it(lab: Lab, rival: Lab) -> None:
    german = make_opening(make_project(lab), requirement={"languages": ["de"]})
    told = [
        offered(lab_caller(lab), german, expert)["reasons"]
        for expert in (walled(rival, "spy@example.org"), member(lab))
    ]
    assert told == [[{"code": "language_missing", "needed": "de", "has": "en"}, UNAVAILABLE]] * 2


def test_the_expert_himself_is_told_which_it_is(lab: Lab, rival: Lab, opening: Opening) -> None:
    ada = make_expert()
    offer = make_offer(opening, ada)
    make_contract(make_opening(make_project(rival)), ada)
    signed = [
        {"agreement_version": row.agreement_version, "typed_name": row.typed_name} for row in signatures_for(offer)
    ]
    with clock.frozen(NOW):
        path = f"{V1}/expert/offers/{offer.public_id}/accept"
        answer = expert_caller(ada)("POST", path, {"signatures": signed}, Idempotency_Key="once")
    assert problem(answer, 409, "not_eligible")["reasons"] == [{"code": "conflict_wall", "needed": "", "has": ""}]


def test_an_applicant_who_wants_no_offers_can_be_offered_what_he_asked_for(lab: Lab, opening: Opening) -> None:
    ada = closed(make_expert())
    with clock.frozen(NOW):
        asked = expert_caller(ada)("POST", f"{V1}/expert/applications", {"opening": opening.public_id}).json()
        body = {"applications": [asked["id"]]}
        assert lab_caller(lab)("POST", f"{V1}/openings/{opening.public_id}/offers", body).status_code == 201


def test_no_number_follows_what_a_rival_does(lab: Lab, rival: Lab, opening: Opening) -> None:
    """Whoever cannot be had at any price is as if he were not there, in the counts too."""
    make_expert("free@example.org")
    junior = make_expert("junior@example.org", level=2)

    def numbers() -> Any:
        with clock.frozen(NOW):
            return lab_caller(lab)("GET", f"{V1}/openings/{opening.public_id}/feasibility").json()

    before = numbers()
    walled(rival, "spy@example.org")
    restricted(make_expert("accused@example.org"), by=operator())
    assert numbers() == before
    assert [row["requirement"] for row in before["near_misses"]] == ["level_too_low"]
    restricted(junior, by=User.objects.get(email="olga@example.org"))
    assert (numbers()["near_misses"], numbers()["relaxations"]) == ([], [])


def test_a_stop_by_a_wall_reads_like_any_other_of_the_platform(lab: Lab, opening: Opening) -> None:
    """Contracts of both kinds, each stopped by the platform; and one of a wall that nobody declared by name."""
    accused, spy = make_contract(opening, make_expert("accused@example.org")), make_contract(opening, make_expert())
    other = make_lab("Other")
    make_contract(make_opening(make_project(other)), Expert.objects.get(pk=spy.expert_id))
    with platform():
        contracts.pause(
            contract=accused, decided_by=operator(), reason_code="policy", explanation="Under review.", now=NOW
        )
        conflicts.declare(one=lab.tenant, other=other.tenant, starts_on=NOW.date(), cooling_off_days=90)
        assert conflicts.enforce(now=NOW) == 2
    caller = lab_caller(lab)
    answers = []
    for contract in (accused, spy):
        with clock.frozen(NOW):
            refused = problem(caller("POST", f"{V1}/contracts/{contract.public_id}/resume"), 409, "stopped_by_platform")
        answers.append({name: refused[name] for name in sorted(refused) if name not in {"instance", "request_id"}})
        assert again(contract).status == "paused"
    assert answers[0] == answers[1]
    assert "decision" not in answers[0]


@pytest.mark.parametrize("also_staff", [False, True])
def test_a_decision_names_nobody_of_the_lab(lab: Lab, opening: Opening, also_staff: bool) -> None:
    """His name would tell who hides behind the alias; the platform keeps it."""
    contract = make_contract(opening, make_expert())
    decider = admin_of(lab)
    User.objects.filter(pk=decider.pk).update(name="Sam Famous", is_staff=also_staff)
    body = {"decided_by": decider.email, "reason_code": "quality", "explanation": "The dosage is missing."}
    with clock.frozen(NOW):
        assert lab_caller(lab)("POST", f"{V1}/contracts/{contract.public_id}/pause", body).status_code == 200
        caller = expert_caller(Expert.objects.get(pk=contract.expert_id))
        (shown,) = caller("GET", f"{V1}/expert/decisions").json()["results"]
        everything = str(
            [caller("GET", f"{V1}/expert/{noun}").json() for noun in ("decisions", "notices", "contracts")]
        )
    assert shown["decided_by"] == "A person of the lab"
    assert "Famous" not in everything
    assert decider.email not in everything
    with platform():
        assert Decision.objects.get(public_id=shown["id"]).decided_by == decider


def test_a_decision_names_the_member_of_staff_who_made_it(opening: Opening) -> None:
    contract = make_contract(opening, make_expert())
    with platform():
        contracts.pause(contract=contract, decided_by=operator(), reason_code="other", explanation="Wait.", now=NOW)
    with clock.frozen(NOW):
        caller = expert_caller(Expert.objects.get(pk=contract.expert_id))
        (shown,) = caller("GET", f"{V1}/expert/decisions").json()["results"]
    assert shown["decided_by"] == "Olga Operator"
