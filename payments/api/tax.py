"""`/expert/tax-profile` and `/expert/tax-forms`: what was declared for tax, and what is reported of a year."""

from __future__ import annotations

from typing import Annotated, TypedDict

from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import CountryField, StrictCharField
from core.api.types import Currency, Doc, Example, MoneyOut, Timestamp, render_money
from core.api.views import ExpertView
from core.money import Money
from core.problems import NotFound
from experts.public import Expert
from payments import tax
from payments.models import BackupWithholding, TaxProfile
from payments.operations.payee import tax_profiles
from payments.operations.payee.backup_withholding import AlreadyWithheld
from payments.queries.nec_totals import DOLLAR, NecTotal, has_signed_w9, nec_totals

FIRST_YEAR, LAST_YEAR = 2000, 2100


class WithholdingOut(TypedDict):
    """Why tax is kept back from your pay, and how much."""

    id: Annotated[str, Doc("The subject of an appeal."), Example("wth_01k9w3v6z8f2qr5t4h7xnm0ceg")]
    cause: Annotated[
        str, Doc("tin_refused, tin_incorrect, underreported, not_certified or self_declared."), Example("tin_incorrect")
    ]
    reason: Annotated[str, Example("The name does not fit the number.")]
    rate_bp: Annotated[int, Doc("In basis points of the gross: 2400 is 24 %."), Example(2400)]
    since: Timestamp


class TaxProfileOut(TypedDict):
    """What was declared for tax."""

    form: Annotated[str, Doc("w9, w8ben, eu_vat or self_declaration."), Example("w8ben")]
    legal_name: Annotated[str, Example("Ada Lovelace")]
    country: Annotated[str, Doc("Country of tax residence."), Example("DE")]
    address: Annotated[str, Example("Unter den Linden 1, 10117 Berlin")]
    tax_id: Annotated[str, Doc("Its last characters."), Example("••••6789")]
    signed_name: Annotated[str, Example("Ada Lovelace")]
    signed_at: Timestamp
    expires_at: Timestamp | None
    vat_confirmed_at: Annotated[Timestamp | None, Doc("When the VAT id was found in the register.")]
    self_billing: Annotated[bool, Doc("The platform writes your invoices."), Example(False)]
    withholding: WithholdingOut | None


class TaxProfileIn(serializers.Serializer[None]):
    """A declaration, signed by typing the name."""

    form = serializers.ChoiceField(choices=TaxProfile.Form.choices)
    legal_name = StrictCharField(max_length=200)
    country = CountryField()
    address = StrictCharField(max_length=300, required=False, default="", help_text="Needed for self-billing.")
    tax_id = StrictCharField(max_length=40, required=False, default="", help_text="Needed for w9 and eu_vat.")
    self_billing = serializers.BooleanField(
        default=False, help_text="You agree that the platform writes your invoices (eu_vat only)."
    )
    backup_withholding_applies = serializers.BooleanField(
        default=False, help_text="The tax authority told you that you are subject to backup withholding (w9 only)."
    )
    signed_name = StrictCharField(max_length=200)


class TaxFormOut(TypedDict):
    """What Form 1099-NEC says of a year's payments in one currency."""

    currency: Currency
    nonemployee_compensation: Annotated[MoneyOut, Doc("Box 1: the gross of what was paid, by the day of payment.")]
    federal_income_tax_withheld: Annotated[MoneyOut, Doc("Box 4.")]
    payments: Annotated[int, Example(12)]
    is_reportable: Annotated[bool, Doc("Whether these payments alone make a form due."), Example(True)]


class TaxYearOut(TypedDict):
    """A calendar year as it is reported to the tax authority of the United States."""

    year: Annotated[int, Example(2026)]
    form: Annotated[str, Example("1099-NEC")]
    threshold: Annotated[MoneyOut, Doc("From so much a year on a form is due.")]
    totals: list[TaxFormOut]


def render_tax_profile(row: TaxProfile) -> TaxProfileOut:
    """A declaration, masked, with what is withheld because of it."""
    spell = BackupWithholding.objects.in_force().filter(expert=row.expert_id).first()
    return {
        "form": row.form,
        "legal_name": row.legal_name,
        "country": row.country,
        "address": row.address,
        "tax_id": row.masked_tax_id,
        "signed_name": row.signed_name,
        "signed_at": row.signed_at,
        "expires_at": row.expires_at,
        "vat_confirmed_at": row.vat_confirmed_at,
        "self_billing": row.self_billing,
        "withholding": render_withholding(spell) if spell else None,
    }


def render_withholding(spell: BackupWithholding) -> WithholdingOut:
    """A spell of withholding."""
    return {
        "id": spell.public_id,
        "cause": spell.cause,
        "reason": spell.reason,
        "rate_bp": spell.rate_bp,
        "since": spell.started_at,
    }


def render_total(total: NecTotal) -> TaxFormOut:
    """One currency of a year."""
    return {
        "currency": total.compensation.currency,
        "nonemployee_compensation": render_money(total.compensation),
        "federal_income_tax_withheld": render_money(total.withheld),
        "payments": total.payments,
        "is_reportable": total.is_reportable,
    }


class TaxProfileDetail(ExpertView):
    """The expert's tax papers."""

    @endpoint(summary="Show my tax profile", returns=TaxProfileOut, errors=[NotFound])
    def get(self, call: Call) -> TaxProfileOut:
        """404 until it was signed the first time."""
        found = TaxProfile.objects.visible_to(call.principal).first()
        if found is None:
            raise NotFound
        return render_tax_profile(found)

    @endpoint(
        summary="Sign my tax profile",
        body=TaxProfileIn,
        returns=TaxProfileOut,
        status=201,
        errors=[AlreadyWithheld],
        example={
            "form": "self_declaration",
            "legal_name": "Ada Lovelace",
            "country": "DE",
            "signed_name": "Ada Lovelace",
        },
        rate="money",
        idempotency="required",
    )
    def post(self, call: Call) -> TaxProfileOut:
        """Replaces the former declaration, which stays in the history."""
        expert = Expert.objects.visible_to(call.principal).get()
        return render_tax_profile(tax_profiles.declare(expert=expert, now=call.now, **call.body))


class TaxFormDetail(ExpertView):
    """A year's totals."""

    @endpoint(summary="Show what is reported of my year", returns=TaxYearOut)
    def get(self, call: Call, year: int) -> TaxYearOut:
        """The totals of Form 1099-NEC as they stand now, of what was paid while you were a US person by your papers of
        then; 404 for those who never signed a W-9 and have nothing to be reported."""
        if not FIRST_YEAR <= year <= LAST_YEAR:
            raise NotFound
        expert = Expert.objects.visible_to(call.principal).get()
        totals = nec_totals(year=year, expert_id=expert.pk)
        if not totals and not has_signed_w9(expert_id=expert.pk):
            raise NotFound
        return {
            "year": year,
            "form": "1099-NEC",
            "threshold": render_money(Money(tax.nec_threshold(year), DOLLAR)),
            "totals": [render_total(total) for total in totals],
        }
