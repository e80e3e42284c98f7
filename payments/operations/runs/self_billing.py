"""Invoices in the name of experts who run a business in the European Union and agreed that we write them."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from core import states, vault
from experts.public import send_notice
from payments import tax
from payments.models import DocumentSeries, OwedInvoice, Payout, SelfBillingInvoice
from payments.operations.labs import series
from payments.operations.runs import owed_invoices
from payments.operations.runs.owed_invoices import Obstacle

INVOICE: Final = SelfBillingInvoice.Type.INVOICE
CREDIT_NOTE: Final = SelfBillingInvoice.Type.CREDIT_NOTE


def due(*, now: dt.datetime) -> QuerySet[Payout]:
    """Payouts about whose paper something is to be done: written, credited, or left to a person with the obstacle.

    What waits for a person is looked at again when what it waits for has come.
    """
    waits = Q(owed_invoice__status=OwedInvoice.Status.WAITING)
    came = Q(owed_invoice__obstacle=Obstacle.VAT_UNCONFIRMED, owed_invoice__is_vat_confirmed=True)
    if settings.ISSUER["country"]:
        came |= Q(owed_invoice__obstacle=Obstacle.ISSUER_UNKNOWN)
    papers = SelfBillingInvoice.objects.filter(payout=OuterRef("pk"))
    uncredited = Exists(papers.filter(type=INVOICE)) & ~Exists(papers.filter(type=CREDIT_NOTE))
    returned = Q(status=Payout.Status.RETURNED)
    found = Q(owed_invoice__status=OwedInvoice.Status.DUE) | (waits & (came | returned)) | (returned & uncredited)
    return Payout.objects.filter(found, paid_at__lte=now).order_by("pk")


def issue(*, payout_id: int, now: dt.datetime) -> SelfBillingInvoice | None:
    """Write the paper that a payout misses, with the next number of its expert's series.

    None when it misses none, or when a person has to look: the obstacle stands with what is owed then.
    """
    payout = Payout.objects.select_for_update(no_key=True, of=("self",)).select_related("expert").get(pk=payout_id)
    former = SelfBillingInvoice.objects.filter(payout=payout, type=INVOICE).first()
    paper = _invoice_or_obstacle(payout, now=now) if former is None else _credit(payout, former, now=now)
    if paper is None:
        return None
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


def _invoice_or_obstacle(payout: Payout, *, now: dt.datetime) -> SelfBillingInvoice | None:
    rows = OwedInvoice.objects.select_for_update(no_key=True, of=("self",)).select_related("expert", "payout")
    row = rows.filter(payout=payout, status__in=(OwedInvoice.Status.DUE, OwedInvoice.Status.WAITING)).first()
    if row is None:
        return None
    if payout.status == Payout.Status.RETURNED:
        states.move(row, OwedInvoice.Status.VOID)
        row.save(update_fields=["status"])
        return None
    obstacle = owed_invoices.obstacle_of(row)
    if obstacle:
        owed_invoices.wait(row, obstacle, now=now)
        return None
    states.move(row, OwedInvoice.Status.WRITTEN)
    row.obstacle = ""
    row.save(update_fields=["status", "obstacle"])
    return _invoice(payout, row, now=now)


def _invoice(payout: Payout, row: OwedInvoice, *, now: dt.datetime) -> SelfBillingInvoice:
    """In the name of the business that was paid, as it had signed when it was."""
    supplier = {
        "name": row.legal_name,
        "address": row.address,
        "country": row.country,
        "vat_id": owed_invoices.vat_id_of(row),
    }
    customer = _customer()
    treatment = tax.vat_treatment(supplier=row.country, customer=customer["country"])
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


def _credit(payout: Payout, former: SelfBillingInvoice, *, now: dt.datetime) -> SelfBillingInvoice | None:
    """The opposite of an invoice whose money came back, once, to the same parties as they stood on it."""
    is_credited = SelfBillingInvoice.objects.filter(payout=payout, type=CREDIT_NOTE).exists()
    if payout.status != Payout.Status.RETURNED or is_credited:
        return None
    return _write(
        payout,
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
