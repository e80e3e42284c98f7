"""Floors: foreign keys point downward, as imports do (import-linter cannot see keys written as strings)."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import models

from core.walls import is_event_model

FLOORS = ("core", "experts", "marketplace", "tasks", "payments", "cadre")
OURS = [model for model in apps.get_models() if model._meta.app_label in FLOORS and not is_event_model(model)]


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
def test_foreign_keys_point_downward(model: type[models.Model]) -> None:
    floor = FLOORS.index(model._meta.app_label)
    upward = [
        f"{field.name} → {field.related_model._meta.label}"
        for field in model._meta.get_fields()
        if isinstance(field, models.ForeignKey | models.ManyToManyField)
        and field.related_model._meta.app_label in FLOORS
        and FLOORS.index(field.related_model._meta.app_label) > floor
    ]
    assert not upward
