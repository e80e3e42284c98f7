"""Tables inside a page: to look at, never to edit."""

from __future__ import annotations

from core.desk import ReadOnlyInline
from experts.models import (
    Credential,
    Decision,
    ExpertDomain,
    IdentityVerification,
    Qualification,
    Restriction,
    Signature,
)


class DomainInline(ReadOnlyInline):
    """What he says he knows."""

    model = ExpertDomain
    fields = ("domain", "level", "years")


class CredentialInline(ReadOnlyInline):
    """What he handed in."""

    model = Credential
    show_change_link = True
    fields = ("kind", "title", "domain", "award", "jurisdiction", "expires_on", "status", "decided_by", "decided_at")


class IdentityInline(ReadOnlyInline):
    """Identity checks."""

    model = IdentityVerification
    show_change_link = True
    fields = ("kind", "country", "legal_name", "status", "decided_by", "decided_at")


class QualificationInline(ReadOnlyInline):
    """What he earned."""

    model = Qualification
    fields = ("code", "score_ppm", "granted_at", "expires_at")


class RestrictionInline(ReadOnlyInline):
    """What he may not do."""

    model = Restriction
    show_change_link = True
    fields = ("kind", "reason", "starts_at", "ends_at", "decision")


class DecisionInline(ReadOnlyInline):
    """What was decided about him."""

    model = Decision
    show_change_link = True
    fields = ("act", "subject", "reason_code", "decided_by", "decided_at", "answer_until")


class SignatureInline(ReadOnlyInline):
    """What he signed."""

    model = Signature
    show_change_link = True
    fields = ("agreement_version", "typed_name", "signed_at", "ip", "subject")
