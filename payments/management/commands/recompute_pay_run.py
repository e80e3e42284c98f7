"""``manage.py recompute_pay_run run_…``: the same lines, from the journal, to the byte."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.public import Principal, unit_of_work
from payments.models import PayRun
from payments.queries.pay_run_recomputation import NotCalculated, recompute


class Command(BaseCommand):
    """Calculates a run again from raw events and compares."""

    help = (
        "Calculate a pay run again from the legs of the journal and the histories of payout methods and tax papers, as"
        " of its watermarks. Prints one JSON object per line (pipe it into sha256sum) and fails with the differing"
        " lines when it is not what was stored, or not what was frozen."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which run."""
        parser.add_argument("run", help="public id of the run")
        parser.add_argument("--quiet", action="store_true", help="print the digest alone")

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare, print, exit with 1 when something differs."""
        with unit_of_work(Principal.system("payments.recompute_pay_run")):
            run = PayRun.objects.filter(public_id=options["run"]).first()
            if run is None:
                raise CommandError(f"There is no pay run {options['run']}.", returncode=2)
            try:
                again = recompute(run)
            except NotCalculated as error:
                raise CommandError(str(error.__doc__).strip(), returncode=2) from None
        if not options["quiet"]:
            self.stdout.write(again.found, ending="")
        self.stderr.write(f"sha256 {again.digest}")
        for line in again.differences:
            self.stderr.write(line)
        if again.digest != again.frozen_digest:
            self.stderr.write(f"frozen {again.frozen_digest}")
        if not again.is_the_same:
            raise CommandError(f"{run.public_id} is not what its events give.", returncode=1)
        self.stderr.write(f"{run.public_id}: the same, to the byte.")
