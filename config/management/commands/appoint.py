"""``manage.py appoint``: who works at the operators' desk, and with which rights."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config import groups
from core.public import Principal, User, unit_of_work


class Command(BaseCommand):
    """The desk itself appoints nobody: whoever releases money there must not be able to widen his own rights."""

    help = "Let a person who has signed up work at the desk, in exactly these groups; without groups he no longer does."

    def add_arguments(self, parser: CommandParser) -> None:
        """Who, and as what."""
        parser.add_argument("email", help="The address he signed up with.")
        parser.add_argument("groups", nargs="*", choices=[*groups.GROUPS, []], metavar="group", default=[])

    def handle(self, *args: Any, **options: Any) -> None:
        """One unit of work; history says who and when."""
        email, names = options["email"].lower(), options["groups"]
        with unit_of_work(Principal.system("manage.appoint")):
            groups.bring_up_to_date()
            user = User.objects.filter(email=email).first()
            if user is None:
                raise CommandError(f"Nobody has signed up as {email}: that comes first, and proves the address.")
            user.is_staff = bool(names)
            user.save(update_fields=["is_staff"])
            user.groups.set(Group.objects.filter(name__in=names))
        told = f"works at the desk: {', '.join(names)}" if names else "no longer works at the desk"
        self.stdout.write(f"{email} {told}")
