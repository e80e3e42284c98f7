"""``manage.py quote_fx``: quote an exchange rate, by hand or by a script that reads a bank's list."""

from __future__ import annotations

import argparse
import datetime as dt
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core import clock
from core.problems import DomainError
from core.public import Principal, unit_of_work
from payments.operations import fx


class Command(BaseCommand):
    """A quote never changes; a newer one of the same pair stands beside it until it expires."""

    help = "Quote what one unit of a currency buys of another."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """``quote_fx USD EUR 0.9213 --spread-bp 50 --hours 24 --source ECB``."""
        parser.add_argument("sell")
        parser.add_argument("buy")
        parser.add_argument("rate", type=Decimal)
        parser.add_argument("--spread-bp", type=int, default=0)
        parser.add_argument("--hours", type=int, default=24)
        parser.add_argument("--source", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it down."""
        by, now = Principal.system("payments.quote_fx"), clock.now()
        try:
            with unit_of_work(by):
                made = fx.quote(
                    sell=options["sell"],
                    buy=options["buy"],
                    rate=options["rate"],
                    spread_bp=options["spread_bp"],
                    valid_until=now + dt.timedelta(hours=options["hours"]),
                    source=options["source"],
                    by=by.label,
                    now=now,
                )
        except DomainError as error:
            raise CommandError(error.detail) from None
        self.stdout.write(f"{made.public_id} {made} until {made.valid_until:%Y-%m-%d %H:%M}")
