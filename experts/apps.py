"""The floor ``experts`` as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class ExpertsConfig(AppConfig):
    """See the package's docstring."""

    name = "experts"
    default_auto_field = "django.db.models.BigAutoField"
