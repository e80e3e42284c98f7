"""Every right a lab's key can have. "write" includes "read"; each endpoint names the one it needs."""

from __future__ import annotations

from typing import Final

NOUNS: Final = (
    "lab",
    "members",
    "keys",
    "rates",
    "projects",
    "openings",
    "applications",
    "offers",
    "contracts",
    "batches",
    "tasks",
    "files",
    "rubrics",
    "submissions",
    "deliveries",
    "timesheets",
    "bonuses",
    "balance",
    "funding",
    "invoices",
    "webhooks",
    "events",
    "operations",
)
SCOPES: Final = tuple(f"{noun}:{verb}" for noun in NOUNS for verb in ("read", "write"))
