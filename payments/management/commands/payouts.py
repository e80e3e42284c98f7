"""``manage.py payouts status | disable | enable``: whether this database may give payouts to providers."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core import clock
from core.public import Principal, unit_of_work
from payments.models import SendingLatch
from payments.operations.rails import sending_latch, tracking
from payments.operations.rails.sending_latch import NotReconciled

COMMAND = Principal.system("payments.payouts")


class Command(BaseCommand):
    """Opens and closes the latch."""

    help = (
        "Show, forbid or allow the sending of payouts. It is forbidden by itself after a restore, a promotion or a copy"
        " of the database; enabling asks every provider first and refuses when one executed what is not known here."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do, and why."""
        parser.add_argument("what", choices=["status", "disable", "enable"])
        parser.add_argument("--reason", default="", help="kept in the history; needed to change something")
        parser.add_argument("--despite", action="store_true", help="enable although a provider knows unknown payouts")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, then show how it stands."""
        if options["what"] != "status" and not options["reason"].strip():
            raise CommandError("Say why: --reason.")
        by, now = f"command:{getpass.getuser()}", clock.now()
        if options["what"] == "disable":
            with unit_of_work(COMMAND, reason=options["reason"]):
                sending_latch.close(reason=options["reason"], by=by, now=now)
        elif options["what"] == "enable":
            self._enable(options["reason"], by, despite=options["despite"])
        with unit_of_work(COMMAND):
            allowed = sending_latch.is_open(now=now)
            latch = SendingLatch.objects.get()
        word = "enabled" if allowed else "disabled"
        self.stdout.write(
            f"Sending is {word} since {latch.changed_at:%Y-%m-%d %H:%M} by {latch.changed_by}: {latch.reason}"
        )

    def _enable(self, reason: str, by: str, *, despite: bool) -> None:
        """The providers are asked outside of any transaction; what they know better is written down on the way."""
        now = clock.now()
        tracking.follow_settlements(now=now)
        keys = tracking.settled_lately(now=now)
        try:
            with unit_of_work(COMMAND, reason=reason):
                sending_latch.open_again(keys=keys, reason=reason, by=by, now=now, despite=despite)
        except NotReconciled as error:
            raise CommandError(f"{error.title}: {', '.join(error.extra['unknown'])}") from None
