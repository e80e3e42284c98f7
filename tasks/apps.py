"""The floor ``tasks`` as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class TasksConfig(AppConfig):
    """See the package's docstring."""

    name = "tasks"
    default_auto_field = "django.db.models.BigAutoField"
