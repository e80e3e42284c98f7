"""``manage.py ledger_verify``: count the ledger again from its rows."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.public import Principal, unit_of_work
from payments.queries import ledger_findings


class Command(BaseCommand):
    """Exits with an error and names every deviation, or says that all holds."""

    help = "Check that the ledger balances and that balances, payouts and statements agree with it."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """For machines."""
        parser.add_argument("--json", action="store_true", help="write one JSON object instead of text")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check everything."""
        with unit_of_work(Principal.system("payments.ledger_verify")):
            found = ledger_findings.findings()
            sums = ledger_findings.trial_balance()
        if options["json"]:
            answer = {"holds": not found, "trial_balance": sums, "findings": [asdict(finding) for finding in found]}
            self.stdout.write(json.dumps(answer))
        for finding in found:
            self.stderr.write(f"{finding.check}: {finding.text}")
        if found:
            raise CommandError(f"The ledger does not hold: {len(found)} findings.")
        if options["json"]:
            return
        for currency, minor in sums.items():
            self.stdout.write(f"Trial balance {currency}: {minor}")
        self.stdout.write(self.style.SUCCESS("The ledger holds."))
