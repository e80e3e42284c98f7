"""Whom a lab's invoices are made out to."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.utils.translation import gettext as _

from core import outbox
from core.problems import FieldError, InvalidInput
from core.public import Tenant
from marketplace.public import Lab
from payments import tax
from payments.models import LabBillingProfile


def profile_of(tenant_id: int) -> LabBillingProfile:
    """The lab's billing address; until the lab says more, its name and country."""
    found = LabBillingProfile.objects.filter(tenant=tenant_id).first()
    if found is not None:
        return found
    tenant = Tenant.objects.get(pk=tenant_id)
    country = Lab.objects.filter(tenant=tenant).values_list("country", flat=True).first()
    made, _created = LabBillingProfile.objects.get_or_create(
        tenant=tenant, defaults={"legal_name": tenant.name, "country": country or ""}
    )
    return made


def hold(tenant_id: int) -> LabBillingProfile:
    """The lab's billing address, which nobody else changes until the transaction ends."""
    pk = profile_of(tenant_id).pk
    return LabBillingProfile.objects.select_for_update(no_key=True, of=("self",)).get(pk=pk)


@transaction.atomic
def change(*, tenant_id: int, now: dt.datetime, **changes: str) -> LabBillingProfile:
    """Change what is given. Raises InvalidInput for a VAT id of the EU whose check digits are wrong."""
    profile = hold(tenant_id)
    for name, value in changes.items():
        setattr(profile, name, value)
    if profile.vat_id and profile.country in tax.MEMBER_STATES:
        try:
            profile.vat_id = tax.normalised_vat_id(profile.vat_id, country=profile.country)
        except tax.BadTaxId as error:
            raise InvalidInput(
                errors=[FieldError("/vat_id", error.code, _("This is no VAT id of the country."))]
            ) from None
    profile.save()
    if changes:
        outbox.publish("lab.billing_changed", subject=profile.tenant.public_id, tenant_id=tenant_id, now=now)
    return profile
