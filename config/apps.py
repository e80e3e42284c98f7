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
