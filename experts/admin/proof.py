"""Credentials and identity documents: the verifiers' queues."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from core import clock
from core.confirming import Text
from core.desk import CadreAdmin, confirmed, register_queue, staff
from experts.models import Credential, Document, IdentityVerification, VerificationStatus
from experts.operations import documents, verifications

VERIFY = "experts.verify_credential"
REASONS: list[tuple[str, Text]] = [
    ("not_found", _("not found at the issuer")),
    ("illegible", _("cannot be read")),
    ("mismatch", _("does not match the person")),
    ("expired", _("no longer valid")),
    ("forged", _("forged")),
    ("other", _("other")),
]


class VerificationAdmin(CadreAdmin):
    """What both queues share: oldest first, and three acts with a reason."""

    list_filter = ("status", "kind")
    ordering = ("created_at",)
    list_select_related: tuple[str, ...] = ("expert",)
    readonly_fields = ("file",)
    formfield_overrides: ClassVar = {models.URLField: {"assume_scheme": "https"}}
    actions = ("verify", "reject", "revoke")

    @admin.display(description=_("file"))
    def file(self, claim: Credential | IdentityVerification) -> str:
        """A link that works for five minutes, or why there is none."""
        if claim.document is None:
            return "–"
        path = documents.download_path(claim.document)
        if path is None:
            return f"{claim.document} ({claim.document.get_status_display()})"
        return format_html('<a href="{}">{}</a>', path, claim.document)

    @confirmed(
        description=_("Verify"),
        effect=_("The claim counts from now on, and the tier follows. The expert reads the reason."),
        permission=VERIFY,
        reason=True,
    )
    def verify(self, request: HttpRequest, claim: Credential, *, reason: str) -> None:
        """It is what it says."""
        verifications.verify(claim=claim, reason=reason, by=staff(request), now=clock.now())

    @confirmed(
        description=_("Reject"),
        effect=_("The claim does not count. The expert is told the reason and may contest it."),
        which=_("Ground"),
        permission=VERIFY,
        reason=True,
        choices=lambda: REASONS,
    )
    def reject(self, request: HttpRequest, claim: Credential, *, reason: str, choice: str) -> None:
        """It is not what it says."""
        _refuse(request, claim, VerificationStatus.REJECTED, reason, choice)

    @confirmed(
        description=_("Revoke"),
        effect=_("The claim counts no longer, and the tier follows. The expert is told the reason and may contest it."),
        which=_("Ground"),
        permission=VERIFY,
        reason=True,
        choices=lambda: REASONS,
    )
    def revoke(self, request: HttpRequest, claim: Credential, *, reason: str, choice: str) -> None:
        """It was, and is not any more."""
        _refuse(request, claim, VerificationStatus.REVOKED, reason, choice)


@admin.register(Credential)
class CredentialAdmin(VerificationAdmin):
    """Degrees, licences, posts, certificates, publications, portfolios."""

    list_display = ("title", "kind", "expert", "domain", "award", "jurisdiction", "expires_on", "status", "created_at")
    search_fields = ("public_id", "title", "issuer", "expert__legal_name", "expert__public_id")
    list_select_related = ("expert", "domain")


@admin.register(IdentityVerification)
class IdentityAdmin(VerificationAdmin):
    """Passports and the like."""

    list_display = ("legal_name", "kind", "country", "expert", "expires_on", "status", "created_at")
    search_fields = ("public_id", "legal_name", "expert__legal_name", "expert__public_id")


@admin.register(Document)
class DocumentAdmin(CadreAdmin):
    """Uploaded files and what the scanner said."""

    list_display = ("name", "expert", "media_type", "size", "status", "finding", "created_at")
    list_filter = ("status", "media_type")
    search_fields = ("public_id", "name", "sha256", "expert__public_id")
    list_select_related = ("expert",)
    exclude = ("storage_name",)


def _refuse(request: HttpRequest, claim: Credential, to: str, reason: str, code: str) -> None:
    verifications.refuse(claim=claim, to=to, reason_code=code, reason=reason, by=staff(request), now=clock.now())


register_queue(
    name="experts.credentials",
    label=_("Credentials to verify"),
    path="/admin/experts/credential/?status__exact=pending",
    permission=VERIFY,
    waiting=lambda: Credential.objects.filter(status=VerificationStatus.PENDING),
)
register_queue(
    name="experts.identities",
    label=_("Identities to verify"),
    path="/admin/experts/identityverification/?status__exact=pending",
    permission=VERIFY,
    waiting=lambda: IdentityVerification.objects.filter(status=VerificationStatus.PENDING),
)
