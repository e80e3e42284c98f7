"""Rows from before there was credit and before refunds had a state: a limit of zero, and paid. No balance is touched."""

from __future__ import annotations

from django.db import migrations

FORMER = """
    ALTER TABLE payments_accountbalance DISABLE TRIGGER USER;
    UPDATE payments_accountbalance b SET credit_minor = 0 FROM payments_account a
        WHERE a.id = b.account_id AND a.kind = 'lab_receivable' AND b.credit_minor IS NULL;
    ALTER TABLE payments_accountbalance ENABLE TRIGGER USER;
    UPDATE payments_refund SET status = 'paid' WHERE refunded_at IS NOT NULL;
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0002_hours_and_money")]

    operations = [migrations.RunSQL(FORMER, migrations.RunSQL.noop)]
