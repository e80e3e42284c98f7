"""Tables of the experts' floor."""

from __future__ import annotations

from experts.models.agreement import Agreement, AgreementVersion, Signature
from experts.models.credential import Credential, IdentityVerification, VerificationStatus
from experts.models.decision import Appeal, AppealFile, Decision
from experts.models.document import Document
from experts.models.domain import Domain, ExpertDomain, IscedField
from experts.models.expert import Availability, Expert
from experts.models.facts import ExpertFacts, SkillFacts
from experts.models.notice import Notice
from experts.models.quality import Qualification, QualityScore
from experts.models.restriction import Restriction

__all__ = [
    "Agreement",
    "AgreementVersion",
    "Appeal",
    "AppealFile",
    "Availability",
    "Credential",
    "Decision",
    "Document",
    "Domain",
    "Expert",
    "ExpertDomain",
    "ExpertFacts",
    "IdentityVerification",
    "IscedField",
    "Notice",
    "Qualification",
    "QualityScore",
    "Restriction",
    "Signature",
    "SkillFacts",
    "VerificationStatus",
]
