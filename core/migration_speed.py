"""Create the schema in seconds instead of a minute.

After every operation Django renders the changed model again, together with all its relatives: with this many models,
all of which hang on the user and the tenant, each of some hundred constraints, indexes, triggers and new fields cost
the rendering of nearly everything. An option changes no field or relation, a new model changes no model that was there
before, and a new field can be added to a class as it stands, so the rendered classes are amended in place instead. The
recorded state is the same, and so is the SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.apps.registry import Apps
from django.db.migrations.state import ModelState, ProjectState
from pgtrigger.migrations import AddTrigger, RemoveTrigger

_stock_add_model: Callable[..., None] = ProjectState.add_model
_stock_append_option: Callable[..., None] = ProjectState.__dict__["_append_option"]
_stock_remove_option: Callable[..., None] = ProjectState.__dict__["_remove_option"]
_stock_add_field: Callable[..., None] = ProjectState.add_field
_stock_add_trigger: Callable[..., None] = AddTrigger.state_forwards
_stock_remove_trigger: Callable[..., None] = RemoveTrigger.state_forwards
_OWNERS = (
    (ProjectState, "add_model"),
    (ProjectState, "_append_option"),
    (ProjectState, "_remove_option"),
    (ProjectState, "add_field"),
    (AddTrigger, "state_forwards"),
    (RemoveTrigger, "state_forwards"),
)


@contextmanager
def amended_states() -> Iterator[None]:
    """Within the block additions to a project state amend the rendered models instead of rendering them again."""
    _install(_add_model, _append_option, _remove_option, _add_field, _add_trigger, _remove_trigger)
    try:
        yield
    finally:
        _install(
            _stock_add_model,
            _stock_append_option,
            _stock_remove_option,
            _stock_add_field,
            _stock_add_trigger,
            _stock_remove_trigger,
        )


def _install(*methods: Callable[..., None]) -> None:
    for (owner, name), method in zip(_OWNERS, methods, strict=True):
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


def _remove_option(state: ProjectState, app_label: str, model_name: str, option: str, name: str) -> None:
    with _unrendered(state) as rendered:
        _stock_remove_option(state, app_label, model_name, option, name)
    _amend(rendered, state, app_label, model_name, option)


def _add_field(
    state: ProjectState, app_label: str, model_name: str, name: str, field: Any, preserve_default: bool
) -> None:
    with _unrendered(state) as rendered:
        _stock_add_field(state, app_label, model_name, name, field, preserve_default)
    if rendered:
        recorded = state.models[app_label, model_name].fields[name]
        rendered.get_model(app_label, model_name).add_to_class(name, recorded.clone())


def _add_trigger(operation: AddTrigger, app_label: str, state: ProjectState) -> None:
    with _unrendered(state) as rendered:
        _stock_add_trigger(operation, app_label, state)
    _amend(rendered, state, app_label, operation.model_name.lower(), "triggers")


def _remove_trigger(operation: RemoveTrigger, app_label: str, state: ProjectState) -> None:
    with _unrendered(state) as rendered:
        _stock_remove_trigger(operation, app_label, state)
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
