"""Who may be named as the member that decides: by role, at every door of the marketplace that asks for him."""

from __future__ import annotations

from typing import Any

import pytest

from core import clock
from marketplace.api import amendments as amendments_api
from marketplace.models import Amendment, LabMember
from marketplace.operations import labs
from marketplace.queries import MONEY_DECIDER
from tests.core.api.conftest import pointers, problem
from tests.marketplace.test_amendments import World
from tests.marketplace.test_journey import ok
from tests.marketplace.world import NOW, platform

pytestmark = pytest.mark.django_db

SOMEBODY = "somebody@acme.example"


@pytest.fixture(autouse=True)
def _at_a_known_time() -> Any:
    with clock.frozen(NOW):
        yield


@pytest.mark.parametrize(
    ("role", "refused"),
    [("admin", ""), ("manager", ""), ("reviewer", "may_not_pay"), ("viewer", "may_not_decide")],
)
def test_what_an_hour_pays_is_a_managers_or_admins_to_propose(role: str, refused: str) -> None:
    world = World()
    with platform():
        labs.add_member(lab=world.lab, email=SOMEBODY, role=role, now=NOW)
    body = {**world.body(), "decided_by": SOMEBODY}
    answer = world.api("POST", f"{world.path}/amendments", body, Idempotency_Key="as-somebody")
    if refused:
        assert pointers(problem(answer, 400, "invalid")) == {"/decided_by": refused}
    else:
        assert ok(answer, 201)["status"] == "proposed"
    with platform():
        assert Amendment.objects.count() == (0 if refused else 1)


def test_every_role_was_tried_and_the_document_says_who() -> None:
    assert set(LabMember.Role.values) == {"admin", "manager", "reviewer", "viewer"}
    assert str(amendments_api.AmendmentIn().fields["decided_by"].help_text) == MONEY_DECIDER
