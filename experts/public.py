"""The experts' floor's door."""

from __future__ import annotations

from experts.errors import OwnWork, ReasonMissing, require_other
from experts.models import (
    Agreement,
    AgreementVersion,
    Appeal,
    Decision,
    Domain,
    Expert,
    ExpertFacts,
    Notice,
    Qualification,
    QualityScore,
    Restriction,
    Signature,
    SkillFacts,
)
from experts.operations.agreements import (
    LegalNameMissing,
    NameMismatch,
    current_versions,
    missing_signatures,
    publish_agreement,
    sign,
)
from experts.operations.appeals import decide as decide_appeal
from experts.operations.decisions import record_decision
from experts.operations.documents import download_path as document_link
from experts.operations.notices import APPEAL_DOOR, send_notice, send_notices
from experts.operations.profiles import become_expert
from experts.operations.quality import grant_qualification, record_quality
from experts.queries import (
    blocked_experts,
    daily_limit,
    eligible_facts,
    expert_for_user,
    is_blocked,
    restrictions_for,
    skilled_in,
)

__all__ = [
    "APPEAL_DOOR",
    "Agreement",
    "AgreementVersion",
    "Appeal",
    "Decision",
    "Domain",
    "Expert",
    "ExpertFacts",
    "LegalNameMissing",
    "NameMismatch",
    "Notice",
    "OwnWork",
    "Qualification",
    "QualityScore",
    "ReasonMissing",
    "Restriction",
    "Signature",
    "SkillFacts",
    "become_expert",
    "blocked_experts",
    "current_versions",
    "daily_limit",
    "decide_appeal",
    "document_link",
    "eligible_facts",
    "expert_for_user",
    "grant_qualification",
    "is_blocked",
    "missing_signatures",
    "publish_agreement",
    "record_decision",
    "record_quality",
    "require_other",
    "restrictions_for",
    "send_notice",
    "send_notices",
    "sign",
    "skilled_in",
]
