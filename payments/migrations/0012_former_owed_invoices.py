"""Payouts of former releases that a business was paid under an agreement, and that have no invoice yet.

Whoever had signed again before the hourly sweep was passed over. The history tells what stood when he was paid; his VAT
id of then is known where he signed the same one again, else a person has to look.
"""

from __future__ import annotations

from typing import Any

from django.db import migrations


def note_former(apps: Any, schema_editor: Any) -> None:
    """One row for each; nothing where he had not agreed."""
    payments = {name: apps.get_model("payments", name) for name in ("Payout", "SelfBillingInvoice", "TaxProfile")}
    signed = apps.get_model("payments", "TaxProfileHistoryrow").objects.filter(form="eu_vat", self_billing=True)
    owed = apps.get_model("payments", "OwedInvoice").objects
    billed = payments["SelfBillingInvoice"].objects.values("payout_id")
    paid = payments["Payout"].objects.filter(status="paid", expert_id__in=signed.values("expert_id"))
    for payout in paid.exclude(pk__in=billed).order_by("pk").iterator():
        rows = signed.model.objects.filter(expert_id=payout.expert_id, signed_at__lte=payout.paid_at)
        then = rows.order_by("-pgh_id").first()
        if then is None or then.form != "eu_vat" or not then.self_billing:
            continue
        today = payments["TaxProfile"].objects.filter(expert_id=payout.expert_id).first()
        is_same = today is not None and all(
            getattr(then, name) == getattr(today, name) for name in ("masked_tax_id", "country", "legal_name")
        )
        owed.create(
            payout_id=payout.pk,
            expert_id=payout.expert_id,
            is_agreed=True,
            is_vat_confirmed=then.vat_confirmed_at is not None or (is_same and today.vat_confirmed_at is not None),
            legal_name=then.legal_name,
            address=then.address,
            country=then.country,
            sealed_tax_id=today.sealed_tax_id if is_same else None,
        )


class Migration(migrations.Migration):
    dependencies = [("payments", "0011_owed_invoices")]

    operations = [migrations.RunPython(note_former, migrations.RunPython.noop)]
