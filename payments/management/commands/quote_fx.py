"""``manage.py quote_fx``: quote an exchange rate, by hand or by a script that reads a bank's list."""

from __future__ import annotations

import argparse
import datetime as dt
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core import clock
from core.problems import DomainError
from core.public import Principal, User, unit_of_work
from payments.models import AdjustmentProposal
from payments.operations.exchange import quotes


class Command(BaseCommand):
    """A quote never changes; a newer one of the same pair stands beside it until it expires.

    The first of a pair, and one far from the last that two people decided, takes a second person: ``--by`` names who
    proposes it; without a name it fails.
    """

    help = "Quote what one unit of a currency buys of another."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """``quote_fx USD EUR 0.9213 --spread-bp 50 --hours 24 --source ECB``."""
        parser.add_argument("sell")
        parser.add_argument("buy")
        parser.add_argument("rate", type=Decimal)
        parser.add_argument("--spread-bp", type=int, default=0)
        parser.add_argument("--hours", type=int, default=24)
        parser.add_argument("--source", required=True)
        parser.add_argument("--by", metavar="EMAIL", help="who proposes a rate that takes a second person")
        parser.add_argument("--reason", default="As published by the source.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it down."""
        now = clock.now()
        offered = quotes.Offered(
            sell=options["sell"],
            buy=options["buy"],
            rate=options["rate"],
            spread_bp=options["spread_bp"],
            valid_until=now + dt.timedelta(hours=options["hours"]),
            source=options["source"],
        )
        by = User.objects.filter(email=options["by"], is_staff=True, is_active=True).first() if options["by"] else None
        if options["by"] and by is None:
            raise CommandError("Nobody of the staff has this address.")
        try:
            with unit_of_work(Principal.system("payments.quote_fx")):
                made = quotes.quote(offered=offered, reason=options["reason"], by=by, now=now)
        except DomainError as error:
            raise CommandError(error.detail) from None
        waits = " waits for a second person at the desk" if isinstance(made, AdjustmentProposal) else ""
        self.stdout.write(f"{made.public_id} {offered}{waits}")
