"""``manage.py open_lab``: a lab with its sandbox, an admin and a first API key."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core import clock
from core.money import exponent_of
from core.public import Principal, unit_of_work
from marketplace.models import LabMember
from marketplace.operations import api_keys, labs


class Command(BaseCommand):
    """Prints the key once; it is stored nowhere."""

    help = "Open a lab: its live tenant, its sandbox, an admin, and a first API key, which is printed once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Who it is."""
        parser.add_argument("name")
        parser.add_argument("--admin", required=True, help="E-mail address of the lab's first admin.")
        parser.add_argument("--alias", default="", help="What experts see instead of the name.")
        parser.add_argument("--currency", default="USD", help="What new projects use unless they say otherwise.")
        parser.add_argument("--country", default="", help="ISO 3166-1 alpha-2.")

    def handle(self, *args: Any, **options: Any) -> None:
        """One unit of work."""
        try:
            exponent_of(options["currency"])
        except ValueError as error:
            raise CommandError(str(error)) from None
        now = clock.now()
        with unit_of_work(Principal.system("manage.open_lab")):
            lab = labs.open_lab(
                name=options["name"],
                alias=options["alias"],
                currency=options["currency"],
                country=options["country"],
                now=now,
            )
            labs.add_member(lab=lab, email=options["admin"], role=LabMember.Role.ADMIN, now=now)
            minted = api_keys.issue(lab=lab, name="first key", now=now)
        self.stdout.write(f"{lab.tenant.public_id}  {minted.secret}")
