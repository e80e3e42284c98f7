"""US persons who declared themselves without a tax number, as former releases let them, are asked for a W-9.

Their papers end in two weeks, so that the reminders before an end tell them in time what to sign; from then on pay runs
leave them out with that reason. What was paid to them is counted for Form 1099-NEC all the same.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import migrations

from core import clock

DAYS_TO_SIGN = 14


def ask(apps: Any, schema_editor: Any) -> None:
    """Let their declarations end."""
    profiles = apps.get_model("payments", "TaxProfile").objects
    undocumented = profiles.filter(form="self_declaration", country="US", expires_at=None)
    undocumented.update(expires_at=clock.now() + dt.timedelta(days=DAYS_TO_SIGN), reminded_days=None)


class Migration(migrations.Migration):
    dependencies = [("payments", "0024_former_files_by_hand")]

    operations = [migrations.RunPython(ask, migrations.RunPython.noop)]
