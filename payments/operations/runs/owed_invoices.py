"""Invoices that payouts to businesses need: noted when they are paid, written by us where we may, else asked for."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.utils.translation import gettext as _

from core import states, vault
from core.money import Money
from core.problems import FieldError, InvalidInput
from core.public import User
from experts.public import require_other, send_notice
from payments import tax
from payments.models import OwedInvoice, Payout, TaxProfile

Obstacle = OwedInvoice.Obstacle


def note(payout: Payout) -> None:
    """Keep what a business had signed at the instant of its payment; nothing is opened here that could fail."""
    profile = TaxProfile.objects.filter(expert=payout.expert_id, form=TaxProfile.Form.EU_VAT).first()
    if profile is not None:
        OwedInvoice.objects.create(
            payout=payout,
            expert_id=payout.expert_id,
            is_agreed=profile.self_billing,
            is_vat_confirmed=profile.vat_confirmed_at is not None,
            legal_name=profile.legal_name,
            address=profile.address,
            country=profile.country,
            sealed_tax_id=profile.sealed_tax_id,
        )


def obstacle_of(row: OwedInvoice) -> str:
    """Why the platform may not write it, "" when it may."""
    issuer = settings.ISSUER["country"]
    vat_id = vat_id_of(row)
    if not row.is_agreed:
        return Obstacle.NOT_AGREED
    if not issuer:
        return Obstacle.ISSUER_UNKNOWN
    if tax.vat_treatment(supplier=row.country, customer=issuer) == tax.Treatment.DOMESTIC:
        return Obstacle.TAXED_AT_HOME
    if not vat_id:
        return Obstacle.VAT_UNKNOWN
    if row.is_vat_confirmed:
        return ""
    profile = TaxProfile.objects.select_related("expert").filter(expert=row.expert_id).first()
    is_still_his = profile is not None and profile.form == TaxProfile.Form.EU_VAT and _opened(profile) == vat_id
    return Obstacle.VAT_UNCONFIRMED if is_still_his else Obstacle.VAT_REPLACED


def vat_id_of(row: OwedInvoice) -> str:
    """The VAT id under which it was paid, in clear; "" when it is not there or cannot be opened."""
    return _opened(row)


def wait(row: OwedInvoice, obstacle: str, *, now: dt.datetime) -> None:
    """Leave it to a person. Who is paid is asked for his own invoice once nothing lets us write it any more."""
    is_news = obstacle != row.obstacle
    if row.status == OwedInvoice.Status.DUE:
        states.move(row, OwedInvoice.Status.WAITING)
    row.obstacle = obstacle
    row.save(update_fields=["status", "obstacle"])
    if is_news and obstacle in OwedInvoice.ASKED_FOR:
        _ask(row, now=now)


def vat_confirmed(*, profile: TaxProfile) -> None:
    """Finance looked a VAT id up: what was paid under it can be written."""
    rows = OwedInvoice.objects.select_for_update(no_key=True, of=("self",)).select_related("expert").order_by("pk")
    open_ones = rows.filter(expert=profile.expert_id, is_vat_confirmed=False, status__in=("due", "waiting"))
    same = [row.pk for row in open_ones if vat_id_of(row) == _opened(profile)]
    OwedInvoice.objects.filter(pk__in=same).update(is_vat_confirmed=True)


def received(*, row: OwedInvoice, reference: str, by: User, now: dt.datetime) -> OwedInvoice:
    """The expert's own invoice is here, with its number. Raises OwnWork, InvalidInput, InvalidTransition."""
    rows = OwedInvoice.objects.select_for_update(no_key=True, of=("self",)).select_related("expert")
    row = rows.get(pk=row.pk)
    require_other(row.expert, by)
    if not reference.strip():
        detail = _("Name the number of his invoice.")
        raise InvalidInput(detail, errors=[FieldError("/reference", "required", detail)])
    states.move(row, OwedInvoice.Status.RECEIVED)
    row.own_reference, row.noted_by, row.noted_at = reference.strip()[:60], by, now
    row.save(update_fields=["status", "own_reference", "noted_by", "noted_at"])
    return row


def _opened(row: OwedInvoice | TaxProfile) -> str:
    if not row.sealed_tax_id:
        return ""
    try:
        return vault.open_sealed(bytes(row.sealed_tax_id), owner=row.expert.public_id)["tax_id"]
    except vault.CannotOpen:
        return ""


def _ask(row: OwedInvoice, *, now: dt.datetime) -> None:
    payout = row.payout
    send_notice(
        expert=row.expert,
        kind="invoice.asked_for",
        subject=payout.public_id,
        title=_("Please send us your invoice over %(amount)s") % {"amount": Money(payout.gross_minor, payout.currency)},
        body=_("You were paid as a business by %(payout)s, and we cannot write the invoice for you: %(why)s.")
        % {"payout": payout.public_id, "why": row.get_obstacle_display()},
        link=f"/api/v1/expert/payouts/{payout.public_id}",
        now=now,
    )
