"""The marketplace's door: models for keys, types and reads; functions for everything that changes something."""

from __future__ import annotations

from marketplace.models import (
    Amendment,
    Application,
    Contract,
    Lab,
    LabExpert,
    LabMember,
    Offer,
    Opening,
    Project,
    RateSnapshot,
)
from marketplace.operations.api_keys import issue as issue_key
from marketplace.operations.exposures import see_work
from marketplace.operations.labs import add_member, open_lab
from marketplace.operations.permits import (
    AgreementRequired,
    ContractNotActive,
    InstructionsRequired,
    NewWorkRefused,
    require_active_contract,
    require_new_work,
)
from marketplace.queries import (
    DECIDER,
    MONEY_DECIDER,
    contracts_of,
    deciding_member,
    first_pause,
    lab_for,
    planned_hourly_rate,
    pseudonyms,
    snapshot_at,
    snapshots_between,
    snapshots_from,
    terms_in_force,
)
from marketplace.rates import hard_cap, reservation_for

__all__ = [
    "DECIDER",
    "MONEY_DECIDER",
    "AgreementRequired",
    "Amendment",
    "Application",
    "Contract",
    "ContractNotActive",
    "InstructionsRequired",
    "Lab",
    "LabExpert",
    "LabMember",
    "NewWorkRefused",
    "Offer",
    "Opening",
    "Project",
    "RateSnapshot",
    "add_member",
    "contracts_of",
    "deciding_member",
    "first_pause",
    "hard_cap",
    "issue_key",
    "lab_for",
    "open_lab",
    "planned_hourly_rate",
    "pseudonyms",
    "require_active_contract",
    "require_new_work",
    "reservation_for",
    "see_work",
    "snapshot_at",
    "snapshots_between",
    "snapshots_from",
    "terms_in_force",
]
