"""Migrating quickly builds the same states as Django's own way, and leaves Django as it was."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import ProjectState

from core.migration_speed import amended_states


def states_of_core(*, rendered: bool) -> dict[str, dict[str, Any]]:
    """The state after core's first migration, built with or without rendered models."""
    loader = MigrationExecutor(connection).loader
    before, first = loader.project_state(("core", "0001_initial"), at_end=False), ("core", "0001_initial")
    if rendered:
        assert before.apps.get_models()
    after = loader.get_migration(*first).mutate_state(before, preserve=False)
    return {
        name: {"fields": list(model.fields), "options": model.options, "bases": model.bases}
        for (app, name), model in after.models.items()
        if app == "core"
    }


def test_amended_states_equal_rendered_ones(db: None) -> None:
    expected = states_of_core(rendered=False)
    with amended_states():
        assert states_of_core(rendered=True) == expected
    assert expected


def test_rendered_models_know_their_additions(db: None) -> None:
    with amended_states():
        loader = MigrationExecutor(connection).loader
        state = loader.project_state(("core", "0001_initial"), at_end=False)
        assert state.apps.get_models()
        after = loader.get_migration("core", "0001_initial").mutate_state(state, preserve=False)
    for model_state in after.models.values():
        meta = after.apps.get_model(model_state.app_label, model_state.name)._meta
        named = [constraint.name for constraint in model_state.options.get("constraints", [])]
        assert [constraint.name for constraint in meta.constraints] == named


def test_django_is_as_before_afterwards() -> None:
    stock = ProjectState.add_model, ProjectState.__dict__["_append_option"]
    with amended_states():
        assert ProjectState.add_model is not stock[0]
    assert (ProjectState.add_model, ProjectState.__dict__["_append_option"]) == stock
