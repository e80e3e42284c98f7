"""The door of the top floor: what the site itself reads (nobody else stands above payments)."""

from __future__ import annotations

from payments.models import Dispute, Timesheet

__all__ = ["Dispute", "Timesheet"]
