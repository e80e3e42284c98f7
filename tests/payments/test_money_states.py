"""State machines of money: every arrow of the tables can be walked, and no other."""

from __future__ import annotations

from typing import Any

import pytest

from core import states
from core.states import InvalidTransition
from payments.models import Funding, FundsReservation, Payout, PayoutMethod, PayRun

MACHINES: tuple[Any, ...] = (Funding, FundsReservation, PayoutMethod, PayRun, Payout)


@pytest.mark.parametrize("model", MACHINES, ids=lambda model: model.__name__)
def test_every_state_has_its_arrows_and_no_other(model: Any) -> None:
    assert set(model.TRANSITIONS) == set(model.Status)
    for origin in model.Status:
        for target in model.Status:
            row = model(status=origin)
            if target in model.TRANSITIONS[origin]:
                states.move(row, target)
                assert row.status == target
            else:
                with pytest.raises(InvalidTransition) as refused:
                    states.move(row, target)
                assert refused.value.extra["allowed_transitions"] == sorted(model.TRANSITIONS[origin])
                assert row.status == origin


@pytest.mark.parametrize("model", MACHINES, ids=lambda model: model.__name__)
def test_every_state_can_be_reached(model: Any) -> None:
    start = model._meta.get_field("status").default
    reached, front = {start}, {start}
    while front:
        front = {target for origin in front for target in model.TRANSITIONS[origin]} - reached
        reached |= front
    assert reached == set(model.Status)


def test_what_is_under_way_is_neither_failed_nor_finished() -> None:
    ended = {"paid", "returned", "failed", "cancelled"}
    assert set(Payout.UNDER_WAY) == set(Payout.Status.values) - ended
