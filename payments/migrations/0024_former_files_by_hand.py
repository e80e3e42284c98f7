"""Whose file it was that a person of a former release brought: the label alone told it.

What waited to be applied waits for a second person now. What was applied keeps its label, and nobody's name beside it:
nobody was asked then.
"""

from __future__ import annotations

from typing import Any

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations

import core.guards


def name_bringers(apps: Any, schema_editor: Any) -> None:
    """Files that count already stay as they are."""
    users = apps.get_model("core", "User").objects
    former = apps.get_model("payments", "BankMessage").objects.filter(brought_by__startswith="user:", bringer=None)
    for row in former.exclude(status="applied").order_by("pk"):
        row.bringer = users.filter(public_id=row.brought_by.removeprefix("user:")).first()
        if row.bringer is not None:
            row.status = "held" if row.status == "received" else row.status
            row.save(update_fields=["bringer", "status"])
    schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # else the trigger could not be created in this transaction


class Migration(migrations.Migration):
    dependencies = [("payments", "0023_files_by_two")]

    operations = [
        migrations.RunPython(name_bringers, migrations.RunPython.noop),
        pgtrigger.migrations.AddTrigger(
            model_name="bankmessage",
            trigger=pgtrigger.compiler.Trigger(
                name="brought_by_two",
                sql=core.guards.GuardSql(
                    func="\n        IF TG_OP = 'INSERT' THEN\n            IF (NEW.bringer_id IS NULL) = starts_with(NEW.brought_by, 'user:')\n                OR (NEW.bringer_id IS NOT NULL AND NEW.status NOT IN ('held', 'refused')) THEN\n                RAISE EXCEPTION 'What a person brings waits for another.'\n                    USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_bankmessage_by_two';\n            END IF;\n        ELSIF ROW(NEW.provider, NEW.sha256, NEW.size, NEW.brought_by, NEW.bringer_id)\n                IS DISTINCT FROM ROW(OLD.provider, OLD.sha256, OLD.size, OLD.brought_by, OLD.bringer_id)\n            OR (ROW(NEW.admitted_by_id, NEW.admitted_at) IS DISTINCT FROM ROW(OLD.admitted_by_id, OLD.admitted_at)\n                AND NOT (OLD.status = 'held' AND NEW.status = 'received'))\n            OR (NEW.status <> OLD.status AND (OLD.status IN ('applied', 'refused') OR NEW.status = 'held')) THEN\n            RAISE EXCEPTION 'A file of the bank stays what it was when it came.'\n                USING ERRCODE = 'insufficient_privilege';\n        END IF;\n        RETURN NEW;\n    ",
                    hash="48b9aa03a9b10973e648a04623e9a31aa32bbb38",
                    operation="INSERT OR UPDATE",
                    pgid="pgtrigger_brought_by_two_b69c6",
                    table="payments_bankmessage",
                    when="BEFORE",
                ),
            ),
        ),
    ]
