"""``manage.py ledger_verify``: count the ledger again from its rows."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.public import Principal, unit_of_work
from payments.queries import ledger_findings


class Command(BaseCommand):
    """Exits with an error and names every deviation, or says that all holds."""

    help = "Check that the ledger balances and that balances, payouts and statements agree with it."

    def handle(self, *args: Any, **options: Any) -> None:
        """Check everything."""
        with unit_of_work(Principal.system("payments.ledger_verify")):
            found = ledger_findings.findings()
            sums = ledger_findings.trial_balance()
        for finding in found:
            self.stderr.write(f"{finding.check}: {finding.text}")
        if found:
            raise CommandError(f"The ledger does not hold: {len(found)} findings.")
        for currency, minor in sums.items():
            self.stdout.write(f"Trial balance {currency}: {minor}")
        self.stdout.write(self.style.SUCCESS("The ledger holds."))
