"""What experts sign: agreements in versions, and signatures that nobody can change."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import guards, history
from core.public import CadreModel, Kind, OwnedQuerySet, Principal, PublicIdField, Tenant, Wall
from experts.models.expert import Expert


@history.tracked()
class Agreement(CadreModel):
    """A document that lives through its versions; the platform's own, or one lab's."""

    wall = Wall.PLATFORM

    code = models.SlugField(_("code"), max_length=60)
    title = models.CharField(_("title"), max_length=200)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ("code",)
        constraints = (
            models.UniqueConstraint(fields=("code", "tenant"), nulls_distinct=False, name="experts_agreement_code"),
        )

    def __str__(self) -> str:
        return self.title


class AgreementVersionQuerySet(models.QuerySet["AgreementVersion"]):
    """Versions, as the parties may read them."""

    def visible_to(self, principal: Principal) -> Self:
        """The platform's for everybody; a lab's for the lab, for experts who work there, and for who signed it."""
        if principal.is_platform:
            return self
        if principal.kind is Kind.LAB:
            return self.filter(Q(tenant=None) | Q(tenant=principal.tenant_id))
        if principal.subject_id:
            signed = Signature.objects.filter(expert_id=principal.subject_id).values("agreement_version_id")
            return self.filter(Q(tenant=None) | Q(tenant__in=principal.tenant_ids) | Q(pk__in=signed))
        return self.filter(tenant=None)

    def with_signature_of(self, expert_id: int) -> Self:
        """Each with ``signature_id``, the public id of this expert's signature, or None."""
        signed = Signature.objects.filter(agreement_version=models.OuterRef("pk"), expert=expert_id)
        return self.annotate(signature_id=models.Subquery(signed.values("public_id")[:1]))

    def current(self) -> Self:
        """The newest version of each agreement."""
        return self.filter(pk__in=self.model.objects.order_by("agreement_id", "-version").distinct("agreement_id"))


class AgreementVersion(CadreModel):
    """One text, published once and never changed: a later text is a later version."""

    wall = Wall.PLATFORM
    sealed = True

    public_id = PublicIdField(prefix="agv")
    agreement = models.ForeignKey(Agreement, on_delete=models.PROTECT, related_name="versions")
    version = models.PositiveIntegerField(_("version"))
    title = models.CharField(_("title"), max_length=200)
    body = models.TextField(_("text"), help_text=_("Markdown."))
    sha256 = models.CharField(_("SHA-256 of the text"), max_length=64)
    published_at = models.DateTimeField(_("published at"))
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    objects = AgreementVersionQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        permissions = (("publish_agreement", _("Can publish agreements")),)
        triggers = (guards.Refuse(name="append_only"),)
        constraints = (
            models.UniqueConstraint(fields=("agreement", "version"), name="experts_agreementversion_once"),
            models.CheckConstraint(condition=~Q(body=""), name="experts_agreementversion_has_text"),
        )

    def __str__(self) -> str:
        return f"{self.title}, {self.version}"


class Signature(CadreModel):
    """An expert typed his name under one text: when, from where, with what, and the hash of what he saw."""

    wall = Wall.EXPERT
    sealed = True

    public_id = PublicIdField(prefix="sig")
    expert = models.ForeignKey(Expert, on_delete=models.PROTECT, related_name="signatures")
    agreement_version = models.ForeignKey(AgreementVersion, on_delete=models.PROTECT, related_name="signatures")
    typed_name = models.CharField(_("typed name"), max_length=200)
    legal_name = models.CharField(_("legal name"), max_length=200)
    signed_at = models.DateTimeField(_("signed at"))
    ip = models.GenericIPAddressField(_("address"), null=True, blank=True)
    user_agent = models.CharField(_("program"), max_length=500, blank=True)
    text_sha256 = models.CharField(_("SHA-256 of the text"), max_length=64)
    subject = models.CharField(
        _("signed for"), max_length=60, blank=True, help_text=_("Public id, an offer's for example.")
    )

    objects = OwnedQuerySet["Signature"].as_manager()

    class Meta:
        ordering = ("-id",)
        triggers = (guards.Refuse(name="append_only"),)
        constraints = (models.UniqueConstraint(fields=("expert", "agreement_version"), name="experts_signature_once"),)

    def __str__(self) -> str:
        return f"{self.typed_name}: {self.agreement_version}"
