"""``manage.py publish_rate_card``: the next version of the platform's card, or of one agreed with a lab."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core import clock
from core.money import Money
from core.public import Principal, Tenant, unit_of_work
from experts.public import Domain
from marketplace import rates
from marketplace.operations import rate_cards
from marketplace.operations.rate_cards import Line

COLUMNS = ("tier", "domain", "work_type", "band", "currency", "amount")


class Command(BaseCommand):
    """A published card never changes; the newest of each kind is in force, for offers made from then on."""

    help = f"Publish a rate card from a CSV file with the columns {', '.join(COLUMNS)}; an empty cell means any."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which file, for whom."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--title", required=True)
        parser.add_argument("--lab", help="Public id of a lab's tenant (ten_…): its own card, which goes first.")

    def handle(self, *args: Any, **options: Any) -> None:
        """One unit of work; a bad line publishes nothing."""
        now = clock.now()
        with unit_of_work(Principal.system("manage.publish_rate_card")):
            tenant = Tenant.objects.filter(public_id=options["lab"]).first() if options["lab"] else None
            if options["lab"] and tenant is None:
                raise CommandError(f"There is no tenant {options['lab']}.")
            lines = list(_read(options["file"]))
            card = rate_cards.publish(title=options["title"], lines=lines, tenant=tenant, valid_from=now, now=now)
        self.stdout.write(f"{card.public_id}  {card.title} v{card.version}, {len(lines)} lines")


def _read(path: Path) -> Iterator[Line]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if reader.fieldnames is None or set(reader.fieldnames) != set(COLUMNS):
                raise CommandError(f"The columns are {', '.join(COLUMNS)}.")
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CommandError(f"{path}: {error}") from None
    domains = set(Domain.objects.values_list("code", flat=True))
    for number, row in enumerate(rows, start=2):
        yield _line(row, f"{path}:{number}", domains)


def _line(row: dict[str, str], place: str, domains: set[str]) -> Line:
    known = (
        (row["tier"], set(rates.TIERS)),
        (row["domain"], {"", *domains}),
        (row["band"], {"", *rates.LOCATION_BANDS}),
    )
    for value, allowed in known:
        if value not in allowed:
            raise CommandError(f"{place}: {value!r} is not known.")
    try:
        amount = Money.parse(row["amount"], row["currency"])
    except ValueError as error:
        raise CommandError(f"{place}: {error}") from None
    cap = rates.HARD_CAPS.get(amount.currency)
    if cap is None:
        raise CommandError(f"{place}: {amount.currency} has no hard cap, so no work is priced in it.")
    if not 0 < amount.minor <= cap:
        raise CommandError(f"{place}: an hour costs more than nothing and at most {Money(cap, amount.currency)}.")
    if row["band"] and row["tier"] not in rates.LOCATED_TIERS:
        raise CommandError(f"{place}: bands are for the tiers {', '.join(sorted(rates.LOCATED_TIERS))}.")
    return Line(
        tier=row["tier"],
        domain=row["domain"],
        work_type=row["work_type"],
        band=row["band"],
        amount_minor=amount.minor,
        currency=amount.currency,
    )
