"""The marketplace's door: models for keys, types and reads; functions for everything that changes something."""

from marketplace.models import (
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
from marketplace.operations.labs import add_member, open_lab
from marketplace.operations.permits import (
    AgreementRequired,
    ContractNotActive,
    InstructionsRequired,
    require_active_contract,
)
from marketplace.queries import (
    contracts_of,
    deciding_member,
    lab_for,
    pseudonyms,
    snapshot_at,
    snapshots_between,
)
from marketplace.rates import reservation_for

__all__ = [
    "AgreementRequired",
    "Application",
    "Contract",
    "ContractNotActive",
    "InstructionsRequired",
    "Lab",
    "LabExpert",
    "LabMember",
    "Offer",
    "Opening",
    "Project",
    "RateSnapshot",
    "add_member",
    "contracts_of",
    "deciding_member",
    "lab_for",
    "open_lab",
    "pseudonyms",
    "require_active_contract",
    "reservation_for",
    "snapshot_at",
    "snapshots_between",
]
