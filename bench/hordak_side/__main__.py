"""Read "rows N" or "bulk N" from standard input, do it, answer "ok": the parent measures the time between."""

from __future__ import annotations

import os
import sys
from typing import Any

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "bench.hordak_side.settings"
PEOPLE = 200


def main() -> None:
    """Migrate, open the accounts, then obey."""
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    accounts = _accounts()
    print("ready", flush=True)
    for line in sys.stdin:
        way, count = line.split()
        {"rows": _rows, "bulk": _bulk}[way](accounts, int(count))
        print("ok", flush=True)


def _accounts() -> dict[str, Any]:
    from hordak.models import Account, AccountType

    names = {"prepaid": AccountType.liability, "fees": AccountType.income}
    names |= {f"payable {n}": AccountType.liability for n in range(PEOPLE)}
    codes = {name: str(n) for n, name in enumerate(names)}
    return {
        name: Account.objects.create(name=name, code=codes[name], type=kind, currencies=["USD"])
        for name, kind in names.items()
    }


def _legs(accounts: dict[str, Any], transaction: Any, n: int) -> list[Any]:
    from hordak.models import Leg
    from moneyed import Money

    gross = 1000 + n
    fee = (gross * 3000 + 5000) // 10_000
    paid, owed, earned = (Money(f"{minor / 100:.2f}", "USD") for minor in (gross + fee, gross, fee))
    return [
        Leg(transaction=transaction, account=accounts["prepaid"], debit=paid),
        Leg(transaction=transaction, account=accounts[f"payable {n % PEOPLE}"], credit=owed),
        Leg(transaction=transaction, account=accounts["fees"], credit=earned),
    ]


def _rows(accounts: dict[str, Any], count: int) -> None:
    """As its documentation does: one transaction for each event, one save for each leg."""
    from django.db import transaction
    from hordak.models import Transaction

    for n in range(count):
        with transaction.atomic():
            event = Transaction.objects.create(description=f"time_approved {n}")
            for leg in _legs(accounts, event, n):
                leg.save()


def _bulk(accounts: dict[str, Any], count: int) -> None:
    """As fast as its models allow: everything in one transaction, two bulk_create."""
    from django.db import transaction
    from hordak.models import Leg, Transaction

    with transaction.atomic():
        events = Transaction.objects.bulk_create(Transaction(description=f"time_approved {n}") for n in range(count))
        Leg.objects.bulk_create(leg for n, event in enumerate(events) for leg in _legs(accounts, event, n))


if __name__ == "__main__":
    main()
