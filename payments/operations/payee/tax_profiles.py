"""Tax papers of experts: signed, confirmed where a register can confirm them, and asked for again before they expire."""

from __future__ import annotations

import datetime as dt

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import outbox, vault
from core.problems import Conflict, FieldError, InvalidInput
from core.public import User
from experts.public import Expert, ReasonMissing, require_other, send_notice
from payments import tax, turns
from payments.models import TaxProfile
from payments.operations.payee import backup_withholding
from payments.operations.runs import owed_invoices
from payments.tax import BadTaxId

EXPORTED = "tax_forms.exported"
_PROFILE = "/api/v1/expert/tax-profile"


class NothingToConfirm(Conflict):
    """Only the VAT id of a business that was not confirmed yet can be confirmed."""

    code = "no_vat_id_to_confirm"
    title = gettext_lazy("There is no VAT id to confirm")


def declare(
    *,
    expert: Expert,
    form: str,
    legal_name: str,
    country: str,
    tax_id: str = "",
    signed_name: str,
    address: str = "",
    self_billing: bool = False,
    backup_withholding_applies: bool = False,
    now: dt.datetime,
) -> TaxProfile:
    """Sign the tax profile, in place of the former one. A W-8BEN ends with the third calendar year after it.

    ``backup_withholding_applies`` is what a US person declares on the W-9; a spell he declared himself ends with a W-9
    that no longer says so, one that finance began does not. Raises InvalidInput for what does not fit the form.
    """
    clean = _fitting(form, country, tax_id, address=address, self_billing=self_billing)
    turns.take("tax_profile", expert.pk)
    profile = TaxProfile.objects.select_for_update(no_key=True, of=("self",)).filter(expert=expert).first()
    profile = profile or TaxProfile(expert=expert)
    is_same_vat_id = form == TaxProfile.Form.EU_VAT and clean == tax_id_of(profile)
    _keep_w9_number(profile, form)
    profile.form, profile.legal_name, profile.country = form, legal_name, country
    profile.signed_name, profile.signed_at = signed_name, now
    profile.address, profile.self_billing = address, self_billing
    profile.masked_tax_id = f"••••{clean[-4:]}" if clean else ""
    profile.sealed_tax_id = vault.seal({"tax_id": clean}, owner=expert.public_id) if clean else None
    profile.expires_at = tax.w8ben_expiry(now) if form == TaxProfile.Form.W8BEN else None
    profile.reminded_days = None
    if not is_same_vat_id:
        profile.vat_consultation, profile.vat_confirmed_at, profile.vat_confirmed_by = "", None, None
    profile.save()
    backup_withholding.declared(profile=profile, applies=backup_withholding_applies, now=now)
    _warn(profile, now=now)
    return profile


def _keep_w9_number(profile: TaxProfile, form: str) -> None:
    """When another form replaces a W-9: the forms of the years in which he was paid under it bear its number."""
    if form == TaxProfile.Form.W9:
        profile.sealed_w9_tax_id = None
    elif profile.form == TaxProfile.Form.W9:
        profile.sealed_w9_tax_id = profile.sealed_tax_id


def _warn(profile: TaxProfile, *, now: dt.datetime) -> None:
    """If it was not the expert himself, this is how he hears of it before anybody is paid or taxed by it."""
    send_notice(
        expert=profile.expert,
        kind="tax_profile.signed",
        title=_("A tax profile was signed"),
        body=_("%(form)s, taxed in %(country)s, tax id %(tax_id)s. Was it not you? Sign it again and tell us at once.")
        % {
            "form": profile.get_form_display(),
            "country": profile.country,
            "tax_id": profile.masked_tax_id or "–",
        },
        link=_PROFILE,
        now=now,
    )


def tax_id_of(profile: TaxProfile) -> str:
    """The number in clear, for papers that must bear it; "" when there is none."""
    if not profile.sealed_tax_id:
        return ""
    return vault.open_sealed(bytes(profile.sealed_tax_id), owner=profile.expert.public_id)["tax_id"]


def confirm_vat(*, profile: TaxProfile, consultation: str, by: User, now: dt.datetime) -> TaxProfile:
    """Finance looked the VAT id up; ``consultation`` is the register's proof. Raises OwnWork, NothingToConfirm."""
    rows = TaxProfile.objects.select_for_update(no_key=True, of=("self",)).select_related("expert")
    profile = rows.get(pk=profile.pk)
    require_other(profile.expert, by)
    if profile.form != TaxProfile.Form.EU_VAT or profile.vat_confirmed_at is not None:
        raise NothingToConfirm
    if not consultation.strip():
        detail = _("Name the number of the consultation.")
        raise InvalidInput(detail, errors=[FieldError("/consultation", "required", detail)])
    profile.vat_consultation = consultation.strip()[:40]
    profile.vat_confirmed_at, profile.vat_confirmed_by = now, by
    profile.save(update_fields=["vat_consultation", "vat_confirmed_at", "vat_confirmed_by"])
    owed_invoices.vat_confirmed(profile=profile)
    send_notice(
        expert=profile.expert,
        kind="tax_profile.vat_confirmed",
        title=_("Your VAT id was confirmed"),
        link=_PROFILE,
        now=now,
    )
    return profile


def remind(*, profile_id: int, now: dt.datetime) -> None:
    """Tell the owner of papers that expire soon; once per stage, harmless when he signed again in the meantime."""
    rows = TaxProfile.objects.select_for_update(no_key=True, of=("self",)).select_related("expert")
    profile = rows.get(pk=profile_id)
    if profile.expires_at is None:
        return
    stage = tax.reminder_due(expires_at=profile.expires_at, reminded_days=profile.reminded_days, now=now)
    if stage is None:
        return
    profile.reminded_days = stage
    profile.save(update_fields=["reminded_days"])
    day = profile.expires_at.date().isoformat()
    send_notice(
        expert=profile.expert,
        kind="tax_profile.expires",
        title=_("Your %(form)s expires on %(day)s") % {"form": profile.get_form_display(), "day": day},
        body=_what_to_sign(profile),
        link=_PROFILE,
        now=now,
    )


def _what_to_sign(profile: TaxProfile) -> str:
    """Papers of former releases may name the United States and be no W-9: they end, and only a W-9 can follow them."""
    if profile.country == tax.UNITED_STATES:
        return _(
            "People taxed in the United States sign a W-9, with their tax number: without it the next pay run leaves you "
            "out. What you are owed stays yours."
        )
    return _("Sign your tax profile again: without it the next pay run leaves you out. What you are owed stays yours.")


def _fitting(form: str, country: str, tax_id: str, *, address: str, self_billing: bool) -> str:
    """The tax number in its normal form. Raises InvalidInput with everything that does not fit."""
    forms = TaxProfile.Form
    is_us, is_eu = country == tax.UNITED_STATES, country in tax.MEMBER_STATES
    rules = (
        (form != forms.W9 or is_us, "/form", _("Only people taxed in the United States sign a W-9.")),
        (form == forms.W9 or not is_us, "/form", _("People taxed in the United States sign a W-9.")),
        (form != forms.EU_VAT or is_eu, "/country", _("VAT ids are for member states of the European Union.")),
        (form == forms.EU_VAT or not self_billing, "/self_billing", _("Only businesses with a VAT id are billed for.")),
        (not self_billing or address.strip(), "/address", _("An invoice bears the address of whoever supplies.")),
        (tax_id or form not in {forms.W9, forms.EU_VAT}, "/tax_id", _("This form needs a tax id.")),
    )
    faults = [FieldError(pointer, "wrong_form", detail) for holds, pointer, detail in rules if not holds]
    if faults:
        raise InvalidInput(errors=faults)
    try:
        return _normalised(form, country, tax_id)
    except BadTaxId as error:
        raise InvalidInput(errors=[FieldError("/tax_id", error.code, str(error))]) from None


def _normalised(form: str, country: str, tax_id: str) -> str:
    if form == TaxProfile.Form.W9:
        return tax.normalised_us_tin(tax_id)
    if form == TaxProfile.Form.EU_VAT:
        return tax.normalised_vat_id(tax_id, country=country)
    return tax_id.strip()


def note_export(*, year: int, forms: int, sha256: str, reason: str, by: User, now: dt.datetime) -> None:
    """Leave a trace that full tax numbers left the house: whose doing, why, and the digest of the file."""
    if not reason.strip():
        raise ReasonMissing
    outbox.publish(
        EXPORTED,
        subject=by.public_id,
        for_lab=False,
        actor=f"user:{by.public_id}",
        payload={"year": year, "forms": forms, "sha256": sha256, "reason": reason.strip()},
        now=now,
    )
