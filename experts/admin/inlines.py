"""Tables inside a page: to look at, never to edit."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from unfold.admin import TabularInline

from experts.models import (
    Credential,
    Decision,
    ExpertDomain,
    IdentityVerification,
    Qualification,
    Restriction,
    Signature,
)


class ReadOnlyInline(TabularInline):  # type: ignore[misc]  # unfold ships no types
    """Rows of a related table."""

    extra = 0
    can_delete = False
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False


class DomainInline(ReadOnlyInline):
    """What he says he knows."""

    model = ExpertDomain
    fields = ("domain", "level", "years")
    show_change_link = False


class CredentialInline(ReadOnlyInline):
    """What he handed in."""

    model = Credential
    fields = ("kind", "title", "domain", "award", "jurisdiction", "expires_on", "status", "decided_by", "decided_at")


class IdentityInline(ReadOnlyInline):
    """Identity checks."""

    model = IdentityVerification
    fields = ("kind", "country", "legal_name", "status", "decided_by", "decided_at")


class QualificationInline(ReadOnlyInline):
    """What he earned."""

    model = Qualification
    fields = ("code", "score_ppm", "granted_at", "expires_at")
    show_change_link = False


class RestrictionInline(ReadOnlyInline):
    """What he may not do."""

    model = Restriction
    fields = ("kind", "reason", "starts_at", "ends_at", "decision")


class DecisionInline(ReadOnlyInline):
    """What was decided about him."""

    model = Decision
    fields = ("act", "subject", "reason_code", "decided_by", "decided_at", "answer_until")


class SignatureInline(ReadOnlyInline):
    """What he signed."""

    model = Signature
    fields = ("agreement_version", "typed_name", "signed_at", "ip", "subject")
