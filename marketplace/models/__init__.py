"""Tables of the marketplace."""

from __future__ import annotations

from marketplace.models.amendment import Amendment
from marketplace.models.application import Application, Match
from marketplace.models.contract import Contract, RateSnapshot
from marketplace.models.lab import Lab, LabExpert, LabMember
from marketplace.models.offer import Offer, OfferDocument
from marketplace.models.opening import Opening, OpeningListing, Requirement
from marketplace.models.pause import ContractPause
from marketplace.models.project import InstructionAcknowledgement, InstructionVersion, Project
from marketplace.models.rate_card import Rate, RateCard
from marketplace.models.wall import ConflictEdge, Exposure

__all__ = [
    "Amendment",
    "Application",
    "ConflictEdge",
    "Contract",
    "ContractPause",
    "Exposure",
    "InstructionAcknowledgement",
    "InstructionVersion",
    "Lab",
    "LabExpert",
    "LabMember",
    "Match",
    "Offer",
    "OfferDocument",
    "Opening",
    "OpeningListing",
    "Project",
    "Rate",
    "RateCard",
    "RateSnapshot",
    "Requirement",
]
