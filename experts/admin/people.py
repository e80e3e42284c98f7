"""Experts, the taxonomy, agreements and signatures."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from core import clock
from core.desk import CadreAdmin, confirmed, staff
from core.row_history import recent_history
from experts.admin import inlines
from experts.models import AgreementVersion, Domain, Expert, Notice, Restriction, Signature
from experts.operations import agreements, restrictions, tiers

SET_TIER, RESTRICT, PUBLISH = "experts.set_tier", "experts.restrict_expert", "experts.publish_agreement"


@admin.register(Expert)
class ExpertAdmin(CadreAdmin):
    """Everything about one person on one page."""

    list_display = ("legal_name", "public_id", "email", "country", "tier", "tier_source", "created_at")
    list_filter = ("tier", "tier_source", "country")
    search_fields = ("legal_name", "public_id", "user__email", "headline")
    list_select_related = ("user",)
    readonly_fields = ("rule_says", "what_happened")
    inlines = (
        inlines.DomainInline,
        inlines.CredentialInline,
        inlines.IdentityInline,
        inlines.QualificationInline,
        inlines.RestrictionInline,
        inlines.DecisionInline,
        inlines.SignatureInline,
    )
    actions = ("set_tier", "return_tier_to_rule", "restrict")

    @admin.display(description=_("e-mail"), ordering="user__email")
    def email(self, expert: Expert) -> str:
        """His log-in."""
        return expert.user.email

    @admin.display(description=_("the rule says"))
    def rule_says(self, expert: Expert) -> str:
        """What the tier would be without a person's word, and what the next one needs."""
        verdict = tiers.verdict_for(expert)
        return " ".join([f"{verdict.tier}.", tiers.reason_of(verdict), *tiers.missing_of(verdict)])

    @admin.display(description=_("what happened"))
    def what_happened(self, expert: Expert) -> SafeString:
        """The newest history rows of the profile, from the guarded tables."""
        rows = [
            (row["at"].isoformat(" ", "seconds"), row["what"], row["who"], name, before, after)
            for row in recent_history(expert)[:20]
            for name, before, after in row["changes"]
        ]
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{} {} {}: {} {} → {}</li>", rows))

    @confirmed(
        description=_("Set the tier"),
        effect=_(
            "The tier stays what you say until somebody lets the rule decide again. An expert whose tier changes is "
            "told the reason."
        ),
        which=_("Tier"),
        permission=SET_TIER,
        reason=True,
        choices=lambda: list(Expert.Tier.choices),
    )
    def set_tier(self, request: HttpRequest, expert: Expert, *, reason: str, choice: str) -> None:
        """A person's word over the rule's."""
        tiers.override(expert=expert, tier=choice, reason=reason, by=staff(request), now=clock.now())

    @confirmed(
        description=_("Let the rule decide the tier"),
        effect=_("The tier becomes what the rule says, now and later. An expert whose tier changes is told."),
        permission=SET_TIER,
    )
    def return_tier_to_rule(self, request: HttpRequest, expert: Expert) -> None:
        """Take a person's word back."""
        tiers.return_to_rule(expert=expert, by=staff(request), now=clock.now())

    @confirmed(
        description=_("Restrict"),
        effect=_("The restriction holds from now on. The expert is told the reason and may contest it."),
        which=_("What is not allowed"),
        permission=RESTRICT,
        reason=True,
        choices=lambda: list(Restriction.Kind.choices),
    )
    def restrict(self, request: HttpRequest, expert: Expert, *, reason: str, choice: str) -> None:
        """With a decision that he can contest."""
        restrictions.impose(expert=expert, kind=choice, reason=reason, by=staff(request), now=clock.now())


@admin.register(Restriction)
class RestrictionAdmin(CadreAdmin):
    """Who may not do what."""

    list_display = ("expert", "kind", "reason", "starts_at", "ends_at", "decision")
    list_filter = ("kind", ("ends_at", admin.EmptyFieldListFilter))
    search_fields = ("public_id", "expert__legal_name", "expert__public_id", "subject")
    list_select_related = ("expert", "decision")
    actions = ("lift",)

    @confirmed(
        description=_("Lift"), effect=_("The restriction ends now, and the expert is told."), permission=RESTRICT
    )
    def lift(self, request: HttpRequest, restriction: Restriction) -> None:
        """It ends now."""
        restrictions.lift(restriction=restriction, by=staff(request), now=clock.now())


@admin.register(Domain)
class DomainAdmin(CadreAdmin):
    """The taxonomy."""

    list_display = ("code", "name", "isced")
    search_fields = ("code", "name", "isced__name", "isced__code")
    list_select_related = ("isced",)
    ordering = ("code",)


class PublishForm(forms.ModelForm[AgreementVersion]):
    """A new text; the version number and the hash follow."""

    code = forms.SlugField(max_length=60, help_text=_("An existing code makes the next version."))

    class Meta:
        model = AgreementVersion
        fields = ("code", "title", "body")


@admin.register(AgreementVersion)
class AgreementVersionAdmin(CadreAdmin):
    """Texts to sign: published once, never changed."""

    list_display = ("title", "version", "agreement", "tenant", "published_at", "sha256")
    list_filter = ("agreement__code",)
    search_fields = ("public_id", "title", "sha256")
    list_select_related = ("agreement", "tenant")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whoever may publish."""
        return request.user.has_perm(PUBLISH)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """The form to publish, when there is nothing yet to look at."""
        return super().get_form(request, obj, change, **kwargs) if obj else PublishForm

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Code, title and text of a new one; everything of an old one."""
        return super().get_fields(request, obj) if obj else ("code", "title", "body")

    def save_model(self, request: HttpRequest, obj: AgreementVersion, form: Any, change: bool) -> None:
        """Publish it as the platform's."""
        values = form.cleaned_data
        version = agreements.publish_agreement(
            code=values["code"], title=values["title"], body=values["body"], by=staff(request), now=clock.now()
        )
        obj.pk = version.pk


@admin.register(Signature)
class SignatureAdmin(CadreAdmin):
    """Who signed what."""

    list_display = ("expert", "agreement_version", "typed_name", "signed_at", "ip", "subject")
    search_fields = ("public_id", "typed_name", "expert__public_id", "agreement_version__public_id", "subject")
    list_select_related = ("expert", "agreement_version")


@admin.register(Notice)
class NoticeAdmin(CadreAdmin):
    """What experts were told."""

    list_display = ("title", "expert", "kind", "subject", "sent_at", "read_at")
    list_filter = ("kind", ("read_at", admin.EmptyFieldListFilter))
    search_fields = ("public_id", "expert__legal_name", "subject")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notice]:
        """With the expert's name."""
        rows: QuerySet[Notice] = super().get_queryset(request)
        return rows.select_related("expert")
