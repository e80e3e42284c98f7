"""``python -m bench``: every measurement against a fresh database, printed as one table of ratios."""

from __future__ import annotations

import os
import platform

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


def main() -> None:
    """Migrate, measure, print."""
    django.setup()
    from django.core.management import call_command  # after the apps are loaded
    from django.db import connection

    call_command("migrate", verbosity=0)
    from bench import accrual, guards, pay_run, rest
    from bench.measure import table
    from config import heap

    heap.settle()  # as every process that serves does, for every way that is measured
    results = [*rest.run(), *accrual.run()]
    print(
        f"Python {platform.python_version()}, PostgreSQL {connection.get_database_version()[0]}, {os.cpu_count()} cores"
    )
    print(table(results))
    print(pay_run.report(pay_run.run()))
    print(guards.report())


if __name__ == "__main__":
    main()
