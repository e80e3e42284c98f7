"""Invoices in the name of experts who run a business in the European Union and agreed that we write them."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from experts.public import send_notice
from payments import tax, vault
from payments.models import DocumentSeries, Payout, SelfBillingInvoice, TaxProfile
from payments.operations import series, tax_profiles

INVOICE: Final = SelfBillingInvoice.Type.INVOICE
CREDIT_NOTE: Final = SelfBillingInvoice.Type.CREDIT_NOTE


def due(*, now: dt.datetime) -> QuerySet[Payout]:
    """Payouts whose paper is missing: paid ones without an invoice, and returned ones without a credit note for it.

    Only of experts who agreed, whose VAT id was confirmed, and whose services are not taxed at home. What was paid
    before somebody agreed is his own to invoice. Nothing is due while the settings do not say where the platform is.
    """
    if not settings.ISSUER["country"]:
        return Payout.objects.none()
    papers = SelfBillingInvoice.objects.filter(payout=OuterRef("pk"))
    agreed = TaxProfile.objects.filter(
        expert=OuterRef("expert"),
        self_billing=True,
        vat_confirmed_at__isnull=False,
        signed_at__lte=OuterRef("paid_at"),
    ).exclude(country=settings.ISSUER["country"])
    invoiced, credited = Exists(papers.filter(type=INVOICE)), Exists(papers.filter(type=CREDIT_NOTE))
    paid = Q(Exists(agreed), status=Payout.Status.PAID) & ~invoiced
    returned = Q(invoiced, status=Payout.Status.RETURNED) & ~credited
    return Payout.objects.filter(paid | returned, paid_at__lte=now).order_by("pk")


def issue(*, payout_id: int, now: dt.datetime) -> SelfBillingInvoice | None:
    """Write the paper that a payout misses, with the next number of its expert's series; None when it misses none."""
    payout = Payout.objects.select_for_update(no_key=True, of=("self",)).select_related("expert").get(pk=payout_id)
    if not due(now=now).filter(pk=payout.pk).exists():
        return None
    former = SelfBillingInvoice.objects.filter(payout=payout, type=INVOICE).first()
    paper = _invoice(payout, now=now) if former is None else _credit(former, now=now)
    send_notice(
        expert=payout.expert,
        kind="self_billing.issued",
        subject=paper.public_id,
        title=_("%(paper)s %(reference)s was written for you")
        % {"paper": paper.get_type_display(), "reference": paper.reference},
        body=_("It is in your name and for your books. Tell us within 14 days if anything in it is wrong."),
        link=f"/api/v1/expert/self-billing-invoices/{paper.public_id}",
        now=now,
    )
    return paper


def supplier_of(paper: SelfBillingInvoice) -> dict[str, str]:
    """Name, address, country and VAT id of the expert as the paper bears them."""
    return vault.open_sealed(bytes(paper.sealed_supplier), owner=paper.public_id)


def _invoice(payout: Payout, *, now: dt.datetime) -> SelfBillingInvoice:
    profile = TaxProfile.objects.select_related("expert").get(expert=payout.expert_id)
    supplier = {
        "name": profile.legal_name,
        "address": profile.address,
        "country": profile.country,
        "vat_id": tax_profiles.tax_id_of(profile),
    }
    customer = _customer()
    treatment = tax.vat_treatment(supplier=profile.country, customer=customer["country"])
    return _write(payout, INVOICE, supplier=supplier, customer=customer, treatment=treatment, now=now)


def _customer() -> dict[str, str]:
    """The platform as its settings name it today."""
    issuer: dict[str, str] = settings.ISSUER
    town = f"{issuer['postal_code']} {issuer['city']}".strip()
    return {
        "name": issuer["legal_name"],
        "address": "\n".join(filter(None, (issuer["street"], town))),
        "country": issuer["country"],
        "vat_id": issuer["vat_id"],
    }


def _credit(former: SelfBillingInvoice, *, now: dt.datetime) -> SelfBillingInvoice:
    """The opposite of an invoice, to the same parties as they stood on it."""
    return _write(
        former.payout,
        CREDIT_NOTE,
        supplier=supplier_of(former),
        customer=former.customer,
        treatment=former.treatment,
        corrects=former,
        now=now,
    )


def _write(
    payout: Payout,
    kind: str,
    *,
    supplier: dict[str, str],
    customer: dict[str, Any],
    treatment: str,
    corrects: SelfBillingInvoice | None = None,
    now: dt.datetime,
) -> SelfBillingInvoice:
    owner = payout.expert.public_id
    numbered = series.take(
        kind=DocumentSeries.Kind.SELF_BILLING,
        issuer=owner,
        year=now.year,
        prefix=f"SB-{owner[-8:].upper()}-{now.year}-",
    )
    paper = SelfBillingInvoice(
        **numbered,
        expert=payout.expert,
        payout=payout,
        type=kind,
        corrects=corrects,
        amount_minor=payout.gross_minor,
        currency=payout.currency,
        treatment=treatment,
        customer=customer,
        supplied_on=(payout.paid_at or now).date(),
        issued_at=now,
    )
    paper.sealed_supplier = vault.seal(supplier, owner=paper.public_id)
    paper.save()
    return paper
