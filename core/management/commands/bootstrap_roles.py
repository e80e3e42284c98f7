"""Create the database and its roles on a real server, once, with a superuser's log-in."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from core.roles import bootstrap_roles


class Command(BaseCommand):
    """Run it before the first migrate; running it again repairs attributes and sets the passwords anew."""

    help = (
        "Create the roles cadre_owner, cadre_app, cadre_admin and cadre_backup, and the database, as DATABASE_URL and "
        "DATABASE_OWNER_URL name them, with the passwords found there."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The superuser's URL, which no other process needs to know."""
        parser.add_argument(
            "--superuser-url",
            default=os.environ.get("DATABASE_SUPERUSER_URL", ""),
            help="postgresql://postgres:…@host/postgres (default: $DATABASE_SUPERUSER_URL)",
        )

    def handle(self, *args: Any, superuser_url: str, **options: Any) -> None:
        """Check that the two URLs name the expected roles, then hand over."""
        if not superuser_url:
            raise CommandError("Give --superuser-url or set DATABASE_SUPERUSER_URL: creating roles needs a superuser.")
        app, owner = settings.DATABASES["default"], settings.DATABASE_OWNER
        _require(app, role="cadre_app", variable="DATABASE_URL")
        _require(owner, role="cadre_owner", variable="DATABASE_OWNER_URL")
        try:
            bootstrap_roles(
                superuser_url,
                owner_password=owner["PASSWORD"],
                app_password=app["PASSWORD"],
                database=app["NAME"],
            )
        except psycopg.Error as error:
            raise CommandError(f"The roles could not be created: {error}") from error
        self.stdout.write(f"The database {app['NAME']} and its roles are ready.")


def _require(login: dict[str, Any], *, role: str, variable: str) -> None:
    if login["USER"] != role:
        raise CommandError(f"{variable} logs in as {login['USER'] or 'nobody'}; it has to be {role}.")
    if not login["PASSWORD"]:
        raise CommandError(f"{variable} holds no password for {role}.")
