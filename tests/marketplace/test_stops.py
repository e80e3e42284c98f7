"""Who stopped a contract decides who may let it go on."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from core import clock, outbox
from core.principal import Principal
from core.public import User
from experts.models import Appeal
from experts.operations import appeals
from marketplace.models import Contract, Lab, LabMember
from marketplace.operations import contracts, projects
from tests.core.api.conftest import problem
from tests.marketplace.world import (
    NOW,
    admin_of,
    again,
    lab_caller,
    make_contract,
    make_expert,
    make_lab,
    make_opening,
    make_project,
    platform,
)

pytestmark = pytest.mark.django_db
pause = partial(contracts.pause, reason_code="other", explanation="Wait.", now=NOW)
end = partial(contracts.end, reason="performance", explanation="Too slow.", now=NOW)


@pytest.fixture
def lab() -> Lab:
    return make_lab()


@pytest.fixture
def contract(lab: Lab) -> Contract:
    return make_contract(make_opening(make_project(lab)), make_expert())


def staff(email: str = "olga@example.org") -> User:
    """An operator."""
    return User.objects.create_user(email, is_staff=True)


def resume(lab: Lab, contract: Contract) -> Any:
    """The lab tries over REST."""
    with clock.frozen(NOW):
        return lab_caller(lab)("POST", f"/api/v1/contracts/{contract.public_id}/resume")


@pytest.mark.parametrize("stop", [pause, end])
def test_a_lab_takes_back_what_it_did_itself_and_not_what_the_platform_did(
    lab: Lab, contract: Contract, stop: Any
) -> None:
    with platform():
        stop(contract=contract, decided_by=admin_of(lab))
    assert resume(lab, contract).json()["status"] == "active"
    with platform():
        stopped = stop(contract=contract, decided_by=staff())
    refused = problem(resume(lab, contract), 409, "stopped_by_platform")
    assert "decision" not in refused
    with platform():
        assert again(contract).status == stopped.status
        assert contracts.resume(contract=contract, now=NOW).status == Contract.Status.ACTIVE


def test_an_operator_who_acts_for_the_lab_acts_for_the_lab(lab: Lab, contract: Contract) -> None:
    both = staff()
    with platform():
        LabMember.objects.create(tenant=lab.tenant, user=both, role=LabMember.Role.MANAGER)
        pause(contract=contract, decided_by=both)
    assert resume(lab, contract).status_code == 200


def test_a_contract_that_ends_with_its_project_is_not_kept_alive(lab: Lab, contract: Contract) -> None:
    with platform():
        projects.wind_down(project=contract.project, by=Principal.system("tests"), now=NOW)
        contracts.end_with_project(contract=contract, now=NOW)
    problem(resume(lab, contract), 409, "invalid_transition")
    assert again(contract).status == Contract.Status.ENDING


def test_a_won_appeal_does_not_undo_what_was_decided_later(lab: Lab, contract: Contract) -> None:
    with platform():
        pause(contract=contract, decided_by=admin_of(lab))
        appeal = appeals.file_appeal(expert=contract.expert, subject=contract.public_id, reason="No.", now=NOW)
        contracts.resume(contract=contract, now=NOW)
        end(contract=contract, decided_by=admin_of(lab))
        appeals.decide(appeal=appeal, outcome="overturned", note="No reason to pause.", by=staff(), now=NOW)
    outbox.drain(now=NOW)
    assert again(contract).status == Contract.Status.ENDING
    with platform():
        anew = appeals.file_appeal(expert=contract.expert, subject=contract.public_id, reason="Nor to end.", now=NOW)
        appeals.decide(
            appeal=anew, outcome="overturned", note="Fast enough.", by=User.objects.get(is_staff=True), now=NOW
        )
    outbox.drain(now=NOW)
    assert again(contract).status == Contract.Status.ACTIVE
    assert Appeal.objects.count() == 2
