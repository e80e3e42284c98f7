"""Create the schema in seconds instead of a minute.

After every operation Django renders the changed model again, together with all its relatives: with this many models,
all of which hang on the user and the tenant, each of some hundred constraints, indexes and triggers cost the rendering
of nearly everything. None of these three changes a field or a relation, and a new model changes no model that was
there before, so the rendered classes are amended in place instead. The recorded state is the same, and so is the SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.apps.registry import Apps
from django.db.migrations.state import ModelState, ProjectState
from pgtrigger.migrations import AddTrigger

_stock_add_model: Callable[..., None] = ProjectState.add_model
_stock_append_option: Callable[..., None] = ProjectState.__dict__["_append_option"]
_stock_add_trigger: Callable[..., None] = AddTrigger.state_forwards


@contextmanager
def amended_states() -> Iterator[None]:
    """Within the block additions to a project state amend the rendered models instead of rendering them again."""
    _install(_add_model, _append_option, _add_trigger)
    try:
        yield
    finally:
        _install(_stock_add_model, _stock_append_option, _stock_add_trigger)


def _install(add_model: Callable[..., None], append_option: Callable[..., None], add_trigger: Any) -> None:
    for owner, name, method in (
        (ProjectState, "add_model", add_model),
        (ProjectState, "_append_option", append_option),
        (AddTrigger, "state_forwards", add_trigger),
    ):
        setattr(owner, name, method)


def _add_model(state: ProjectState, model_state: ModelState) -> None:
    with _unrendered(state) as rendered:
        _stock_add_model(state, model_state)
    if rendered:
        rendered.render_multiple([model_state])


def _append_option(state: ProjectState, app_label: str, model_name: str, option: str, addition: Any) -> None:
    with _unrendered(state) as rendered:
        _stock_append_option(state, app_label, model_name, option, addition)
    _amend(rendered, state, app_label, model_name, option)


def _add_trigger(operation: AddTrigger, app_label: str, state: ProjectState) -> None:
    with _unrendered(state) as rendered:
        _stock_add_trigger(operation, app_label, state)
    _amend(rendered, state, app_label, operation.model_name.lower(), "triggers")


@contextmanager
def _unrendered(state: ProjectState) -> Iterator[Any]:
    """Hide the rendered models, if there are any: without them Django's own methods only record the change."""
    rendered: Apps | None = state.__dict__.pop("apps", None)
    try:
        yield rendered
    finally:
        if rendered:
            state.__dict__["apps"] = rendered


def _amend(rendered: Apps | None, state: ProjectState, app_label: str, model_name: str, option: str) -> None:
    if rendered:
        values = state.models[app_label, model_name].options[option]
        setattr(rendered.get_model(app_label, model_name)._meta, option, list(values))
