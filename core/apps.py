"""The kernel as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """No domain noun lives here: people, tenants, keys, money, time, news and long work."""

    name = "core"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks."""
        from core import checks  # noqa: F401  # importing registers them; apps must be loaded first
