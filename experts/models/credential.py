"""What an expert says he holds, and what a verifier made of it."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import CadreModel, OwnedQuerySet, PublicIdField, Wall
from core.states import Transitions
from experts.models.document import Document
from experts.models.domain import Domain
from experts.models.expert import Expert
from experts.models.own_acts import NotByHimself


class VerificationStatus(models.TextChoices):
    """How far the check of a claim is."""

    UNVERIFIED = "unverified", _("unverified")
    PENDING = "pending", _("pending")
    VERIFIED = "verified", _("verified")
    REJECTED = "rejected", _("rejected")
    EXPIRED = "expired", _("expired")
    REVOKED = "revoked", _("revoked")


VERIFICATION_TRANSITIONS: Transitions = {
    VerificationStatus.UNVERIFIED: {VerificationStatus.PENDING, VerificationStatus.REJECTED},
    VerificationStatus.PENDING: {VerificationStatus.VERIFIED, VerificationStatus.REJECTED},
    VerificationStatus.VERIFIED: {VerificationStatus.EXPIRED, VerificationStatus.REVOKED},
    # An appeal can bring a claim back: a person's word verifies it, the clock's puts it into the queue again.
    VerificationStatus.REJECTED: {VerificationStatus.PENDING, VerificationStatus.VERIFIED},
    VerificationStatus.REVOKED: {VerificationStatus.PENDING, VerificationStatus.VERIFIED},
    VerificationStatus.EXPIRED: set(),
}

DECIDED = ("verified", "rejected", "revoked")


class CredentialQuerySet(OwnedQuerySet["Credential"]):
    """Credentials."""

    def counting(self) -> Self:
        """Those that prove something today."""
        return self.filter(status=VerificationStatus.VERIFIED)

    def over(self, *, on: dt.date) -> Self:
        """Verified ones whose last day has passed."""
        return self.filter(status=VerificationStatus.VERIFIED, expires_on__lt=on)


@history.tracked()
class Credential(CadreModel):
    """A degree, licence, post, certificate, publication or portfolio.

    unverified (its document is in quarantine) → pending → verified | rejected; verified → expired | revoked;
    after a successful appeal rejected | revoked → verified (a person decided) | pending (the clock did)
    """

    class Kind(models.TextChoices):
        """What it is."""

        DEGREE = "degree", _("degree")
        LICENCE = "licence", _("licence")
        EMPLOYER = "employer", _("employer")
        CERTIFICATE = "certificate", _("certificate")
        PUBLICATION = "publication", _("publication")
        PORTFOLIO = "portfolio", _("portfolio")

    class Degree(models.TextChoices):
        """Levels of ISCED 2011, from lowest to highest."""

        SECONDARY = "secondary", _("secondary")
        SHORT_CYCLE = "short_cycle", _("short cycle")
        BACHELOR = "bachelor", _("bachelor")
        MASTER = "master", _("master")
        DOCTORATE = "doctorate", _("doctorate")

    Status = VerificationStatus
    TRANSITIONS: ClassVar[Transitions] = VERIFICATION_TRANSITIONS

    wall = Wall.EXPERT

    public_id = PublicIdField(prefix="crd")
    expert = models.ForeignKey(Expert, on_delete=models.PROTECT, related_name="credentials")
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    title = models.CharField(_("title"), max_length=200)
    issuer = models.CharField(_("issuer"), max_length=200, blank=True)
    domain = models.ForeignKey(Domain, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    award = models.CharField(
        _("award"), max_length=40, blank=True, help_text=_("The level of a degree, or the kind of a licence.")
    )
    jurisdiction = models.CharField(_("jurisdiction"), max_length=10, blank=True, help_text=_("ISO 3166, US or US-CA."))
    issued_on = models.DateField(_("issued on"), null=True, blank=True)
    expires_on = models.DateField(_("last valid day"), null=True, blank=True)
    link = models.URLField(_("link"), max_length=500, blank=True)
    document = models.OneToOneField(
        Document, on_delete=models.PROTECT, null=True, blank=True, related_name="credential"
    )
    status = models.CharField(
        _("status"), max_length=20, choices=VerificationStatus.choices, default=VerificationStatus.UNVERIFIED
    )
    reason = models.TextField(_("reason"), blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True)

    objects = CredentialQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        permissions = (("verify_credential", _("Can verify, reject and revoke credentials and identities")),)
        triggers = (NotByHimself(name="not_by_himself"),)
        constraints = (
            models.CheckConstraint(
                condition=~Q(kind="degree")
                | Q(award__in=["secondary", "short_cycle", "bachelor", "master", "doctorate"]),
                name="experts_credential_degree_level",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=DECIDED) | (Q(decided_at__isnull=False) & ~Q(reason="")),
                name="experts_credential_decided_with_reason",
            ),
            models.CheckConstraint(
                condition=Q(issued_on=None) | Q(expires_on=None) | Q(expires_on__gte=models.F("issued_on")),
                name="experts_credential_dates",
            ),
        )
        indexes = (
            models.Index(fields=("created_at",), condition=Q(status="pending"), name="experts_credential_queue"),
            models.Index(fields=("expires_on",), condition=Q(status="verified"), name="experts_credential_expiry"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.title}"


@history.tracked()
class IdentityVerification(CadreModel):
    """A member of staff compares an identity document with the profile.

    unverified (its document is in quarantine) → pending → verified | rejected; verified → expired | revoked;
    after a successful appeal rejected | revoked → verified (a person decided) | pending (the clock did)
    """

    class Kind(models.TextChoices):
        """Which document."""

        PASSPORT = "passport", _("passport")
        ID_CARD = "id_card", _("identity card")
        DRIVING_LICENCE = "driving_licence", _("driving licence")
        RESIDENCE_PERMIT = "residence_permit", _("residence permit")

    Status = VerificationStatus
    TRANSITIONS: ClassVar[Transitions] = VERIFICATION_TRANSITIONS

    wall = Wall.EXPERT

    public_id = PublicIdField(prefix="idv")
    expert = models.ForeignKey(Expert, on_delete=models.PROTECT, related_name="identity_verifications")
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    country = models.CharField(_("issued by"), max_length=2)
    legal_name = models.CharField(_("name on the document"), max_length=200)
    expires_on = models.DateField(_("last valid day"), null=True, blank=True)
    document = models.OneToOneField(Document, on_delete=models.PROTECT, related_name="identity_verification")
    status = models.CharField(
        _("status"), max_length=20, choices=VerificationStatus.choices, default=VerificationStatus.UNVERIFIED
    )
    reason = models.TextField(_("reason"), blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True)

    objects = OwnedQuerySet["IdentityVerification"].as_manager()

    class Meta:
        ordering = ("-id",)
        triggers = (NotByHimself(name="not_by_himself"),)
        constraints = (
            models.UniqueConstraint(
                fields=("expert",), condition=Q(status__in=["unverified", "pending"]), name="experts_identity_one_open"
            ),
            models.CheckConstraint(
                condition=~Q(status__in=DECIDED) | (Q(decided_at__isnull=False) & ~Q(reason="")),
                name="experts_identity_decided_with_reason",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} ({self.country})"
