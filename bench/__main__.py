"""``python -m bench``: every measurement against a fresh database, printed as one table of ratios."""

from __future__ import annotations

import os
import platform
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


def main() -> int:
    """Migrate, measure, print; 1 when an aim was missed."""
    django.setup()
    from django.core.management import call_command  # after the apps are loaded
    from django.db import connection

    call_command("migrate", verbosity=0)
    from bench import accrual, aims, guards, measure, pay_run, rest
    from config import heap

    heap.settle()  # as every process that serves does, for every way that is measured
    results = [*rest.run(), *accrual.run()]
    print(
        f"Python {platform.python_version()}, PostgreSQL {connection.get_database_version()[0]}, {os.cpu_count()} cores"
    )
    print(measure.table(results))
    runs = pay_run.run()
    print(pay_run.report(runs))
    guarded = guards.run()
    print(guards.report(guarded))
    held = [aim for result in results for aim in result.aims()]
    held += [aim for run in runs for aim in run.aims()] + guarded.aims()
    print(aims.table(held))
    return 0 if all(aim.holds for aim in held) else 1


if __name__ == "__main__":
    sys.exit(main())
