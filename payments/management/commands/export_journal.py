"""``manage.py export_journal``: the journal as CSV, for accounting."""

from __future__ import annotations

import argparse
import datetime as dt
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from core.public import Principal, unit_of_work
from payments.queries import journal_export


class Command(BaseCommand):
    """One row per leg; totals by currency and the watermark for the next export at the end."""

    help = "Write the journal as CSV: by days of booking (UTC), or everything after a watermark."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Days are ISO dates; ``--to`` is included."""
        parser.add_argument("--from", dest="start", type=dt.date.fromisoformat)
        parser.add_argument("--to", dest="end", type=dt.date.fromisoformat)
        parser.add_argument("--after", type=int, default=0, help="watermark of the last export")
        parser.add_argument("--output", type=Path, help="file to write (otherwise standard output)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it."""
        start, end = options["start"], options["end"]
        period = {
            "start": None if start is None else midnight(start),
            "end": None if end is None else midnight(end + dt.timedelta(days=1)),
        }
        with unit_of_work(Principal.system("payments.export_journal")):
            if options["output"] is None:
                journal_export.write(self.stdout, after=options["after"], **period)  # type: ignore[arg-type]  # writes text
                return
            with options["output"].open("w", encoding="utf-8", newline="") as out:
                last = journal_export.write(out, after=options["after"], **period)
        self.stdout.write(f"Watermark {last}")


def midnight(day: dt.date) -> dt.datetime:
    """The first instant of a day in UTC."""
    return dt.datetime.combine(day, dt.time(), dt.UTC)
