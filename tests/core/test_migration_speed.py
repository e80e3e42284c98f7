"""Migrating quickly builds the same states as Django's own way, and leaves Django as it was."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import ProjectState

from core.migration_speed import amended_states

# The second one adds fields and relations to models that stand already, and takes triggers and constraints away.
MIGRATIONS = [("core", "0001_initial"), ("payments", "0002_hours_and_money")]


def states_after(migration: tuple[str, str], *, rendered: bool) -> dict[str, dict[str, Any]]:
    """The state after a migration, built with or without rendered models."""
    loader = MigrationExecutor(connection).loader
    before = loader.project_state(migration, at_end=False)
    if rendered:
        assert before.apps.get_models()
    after = loader.get_migration(*migration).mutate_state(before, preserve=False)
    return {
        name: {"fields": list(model.fields), "options": model.options, "bases": model.bases}
        for (app, name), model in after.models.items()
        if app == migration[0]
    }


@pytest.mark.parametrize("migration", MIGRATIONS)
def test_amended_states_equal_rendered_ones(db: None, migration: tuple[str, str]) -> None:
    expected = states_after(migration, rendered=False)
    with amended_states():
        assert states_after(migration, rendered=True) == expected
    assert expected


@pytest.mark.parametrize("migration", MIGRATIONS)
def test_rendered_models_know_their_additions(db: None, migration: tuple[str, str]) -> None:
    with amended_states():
        loader = MigrationExecutor(connection).loader
        state = loader.project_state(migration, at_end=False)
        assert state.apps.get_models()
        after = loader.get_migration(*migration).mutate_state(state, preserve=False)
    for model_state in after.models.values():
        meta = after.apps.get_model(model_state.app_label, model_state.name)._meta
        named = [constraint.name for constraint in model_state.options.get("constraints", [])]
        assert [constraint.name for constraint in meta.constraints] == named
        assert {field.name for field in meta.local_fields} <= set(model_state.fields)
        if not meta.proxy and not model_state.options.get("abstract"):
            columns = {name for name, field in model_state.fields.items() if not field.many_to_many}
            assert columns <= {field.name for field in meta.fields}


def test_django_is_as_before_afterwards() -> None:
    stock = ProjectState.add_model, ProjectState.__dict__["_append_option"]
    with amended_states():
        assert ProjectState.add_model is not stock[0]
    assert (ProjectState.add_model, ProjectState.__dict__["_append_option"]) == stock
