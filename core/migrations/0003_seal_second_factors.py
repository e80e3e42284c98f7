"""Seal the second factors that were stored as they are: secrets of one-time codes, seeds of recovery codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import migrations

from core import vault

OWNER = "second factor"
MEMBERS = {"totp": ("secret",), "recovery_codes": ("seed", "migrated_codes")}


def seal(apps: Any, _editor: Any) -> None:
    """A second run finds everything sealed and changes nothing."""
    _rewrite(apps, lambda text: vault.seal_text(vault.open_text(text, owner=OWNER), owner=OWNER))


def unseal(apps: Any, _editor: Any) -> None:
    """For the code before, which cannot open them."""
    _rewrite(apps, lambda text: vault.open_text(text, owner=OWNER))


def _rewrite(apps: Any, change: Callable[[str], str]) -> None:
    rows = apps.get_model("mfa", "Authenticator").objects.filter(type__in=MEMBERS)
    for row in rows.select_for_update().order_by("pk").iterator():
        for name in MEMBERS[row.type]:
            value = row.data.get(name)
            if value is not None:
                row.data[name] = change(value) if isinstance(value, str) else [change(text) for text in value]
        row.save(update_fields=["data"])


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0002_idempotency_record"),
        ("mfa", "0003_authenticator_type_uniq"),
    ]

    operations = [migrations.RunPython(seal, unseal)]
