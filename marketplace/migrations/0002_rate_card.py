"""The first rate card of the platform, from the published figures of the field (marketplace/rates.py)."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import migrations
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from core import ids
from marketplace import rates

VALID_FROM = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
CURRENCIES = ("USD", "EUR", "GBP")


def publish(apps: Any, schema_editor: Any) -> None:
    RateCard, Rate = apps.get_model("marketplace", "RateCard"), apps.get_model("marketplace", "Rate")
    card = RateCard.objects.create(
        public_id=ids.new_id("rcd"), version=1, title="Cadre standard", published_at=VALID_FROM, created_at=VALID_FROM
    )
    Rate.objects.bulk_create(
        Rate(
            card=card,
            domain=row.domain or "",
            tier=row.tier,
            band=row.band or "",
            amount_minor=row.amount_minor,
            currency=row.currency,
            valid=DateTimeTZRange(row.valid_from, row.valid_until),
            created_at=VALID_FROM,
        )
        for currency in CURRENCIES
        for row in rates.seed_rows(valid_from=VALID_FROM, currency=currency)
    )


class Migration(migrations.Migration):
    dependencies = [("marketplace", "0001_initial")]
    operations = [migrations.RunPython(publish, migrations.RunPython.noop)]
