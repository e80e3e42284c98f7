"""The door of the floor ``tasks``: what payments may use."""

from __future__ import annotations

from tasks.models import Batch, Claim, Submission, Task
from tasks.operations.leases import record_active_time, renew_lease
from tasks.queries import claim_for_contract, submitted_items

__all__ = [
    "Batch",
    "Claim",
    "Submission",
    "Task",
    "claim_for_contract",
    "record_active_time",
    "renew_lease",
    "submitted_items",
]
