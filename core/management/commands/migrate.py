"""``migrate`` as the owner of the schema; everything else runs as the application's role."""

from __future__ import annotations

from typing import Any

from django.core.management.commands.migrate import Command as DjangoMigrate

from core.db import as_owner
from core.migration_speed import amended_states


class Command(DjangoMigrate):
    """Django's own, with the log-in swapped for its time."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate as the owner."""
        with as_owner(), amended_states():
            super().handle(*args, **options)
