"""The top floor as Django apps: our admin site in the place of the stock one, and the compositions."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig


class AdminConfig(DjangoAdminConfig):
    """Django's admin with our site."""

    default_site = "config.admin_site.CadreAdminSite"


class CadreConfig(AppConfig):
    """Start page, commands of the whole, demo."""

    name = "config"
    label = "cadre"

    def ready(self) -> None:
        """Make our Celery application the current one, in every process that enqueues."""
        import config.celery  # noqa: F401  # creating it is the effect
