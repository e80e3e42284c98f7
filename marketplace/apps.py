"""The floor ``marketplace`` as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class MarketplaceConfig(AppConfig):
    """See the package's docstring."""

    name = "marketplace"
    default_auto_field = "django.db.models.BigAutoField"
