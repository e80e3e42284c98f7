"""Every state machine of every floor is a table that can be read, and the table is what happens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest
from django.apps import apps

from core import states
from core.states import InvalidTransition, Transitions
from tests.architecture.source import FLOORS

SUFFIX = "TRANSITIONS"


@dataclass(frozen=True)
class Machine:
    """One state field of one model with its table."""

    model: Any
    field: str

    def __str__(self) -> str:
        return f"{self.model._meta.label}.{self.field}"

    @property
    def table(self) -> Transitions:
        """Which state may follow which."""
        return states.table_of(self.model, field=self.field)

    @property
    def states(self) -> set[str]:
        """What the field can hold."""
        return {str(value) for value, _label in self.model._meta.get_field(self.field).choices}

    @property
    def start(self) -> str:
        """Where a new row stands when nobody says otherwise."""
        return str(self.model._meta.get_field(self.field).default)

    def at(self, state: str) -> Any:
        """An unsaved row."""
        return self.model(**{self.field: state})


def _machines() -> list[Machine]:
    return [
        Machine(model, "status" if name == SUFFIX else name.removesuffix(f"_{SUFFIX}").lower())
        for model in apps.get_models()
        if model._meta.app_label in FLOORS
        for name in sorted(vars(model))
        if name.endswith(SUFFIX)
    ]


MACHINES = _machines()
each_machine = pytest.mark.parametrize("machine", MACHINES, ids=str)


def test_every_status_field_has_a_table() -> None:
    """History tables copy the field and move nothing."""
    with_table = {(machine.model, machine.field) for machine in MACHINES}
    assert [
        model._meta.label
        for model in apps.get_models()
        if model._meta.app_label in FLOORS
        and not hasattr(model, "pgh_tracked_model")
        and any(field.name == "status" and getattr(field, "choices", None) for field in model._meta.get_fields())
        and (model, "status") not in with_table
    ] == []


@each_machine
def test_every_state_is_a_row_and_every_target_a_state(machine: Machine) -> None:
    assert {str(state) for state in machine.table} == machine.states
    assert {str(target) for following in machine.table.values() for target in following} <= machine.states


@each_machine
def test_the_docstring_names_every_state(machine: Machine) -> None:
    words = set(re.findall(r"[a-z_]+", machine.model.__doc__ or ""))
    assert machine.states - words == set()


@each_machine
def test_every_arrow_can_be_walked_and_no_other(machine: Machine) -> None:
    for origin in machine.states:
        for target in machine.states:
            row = machine.at(origin)
            if target in machine.table[origin]:
                states.move(row, target, field=machine.field)
                assert getattr(row, machine.field) == target
            else:
                with pytest.raises(InvalidTransition) as refused:
                    states.move(row, target, field=machine.field)
                assert refused.value.extra["allowed_transitions"] == sorted(machine.table[origin])
                assert getattr(row, machine.field) == origin


@each_machine
def test_final_states_are_final(machine: Machine) -> None:
    final = {state for state in machine.states if not machine.table[state]}
    assert final, "a machine that never stops is no life of a thing"
    for state in final:
        assert states.allowed(machine.at(state), field=machine.field) == []
        assert not any(states.can_move(machine.at(state), to, field=machine.field) for to in machine.states)


@each_machine
def test_every_state_can_be_reached(machine: Machine) -> None:
    reached = front = {machine.start} if machine.start in machine.states else set(machine.states)
    while front:
        front = {str(target) for origin in front for target in machine.table[origin]} - reached
        reached = reached | front
    assert reached == machine.states
