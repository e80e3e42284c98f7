"""Payout methods: masked, and verified by a person where the provider cannot."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from core import clock
from core.desk import CadreAdmin, confirmed, register_queue, staff
from payments.models import PayoutMethod
from payments.operations.payee import payees
from payments.providers import registry

VERIFY = "payments.verify_payoutmethod"


@admin.register(PayoutMethod)
class PayoutMethodAdmin(CadreAdmin):
    """Where experts are paid. The account itself is never shown."""

    list_display = ("masked", "holder", "expert", "type", "currency", "country", "status", "usable_from")
    list_filter = ("status", "type", "currency")
    search_fields = ("public_id", "holder", "expert__public_id", "expert__legal_name")
    list_select_related = ("expert",)
    exclude = ("sealed_details",)
    actions = ("verify",)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """With the rails that new methods can have."""
        lines = [f"{rail.method_type} {rail.currency} {rail.country} → {rail.provider}" for rail in registry.rails()]
        extra = {**(extra_context or {}), "told": _("Rails: %(rails)s") % {"rails": " · ".join(lines) or "–"}}
        response: HttpResponse = super().changelist_view(request, extra)
        return response

    @confirmed(
        description=_("Verify: the account is the expert's"),
        effect=_(
            "Money is sent to this account from now on, once its waiting time is over. Only verify what you have seen "
            "proof of."
        ),
        permission=VERIFY,
    )
    def verify(self, request: HttpRequest, row: PayoutMethod) -> None:
        """Proof was seen."""
        payees.verify_method(method=row, by=staff(request), now=clock.now())


register_queue(
    name="payments.payout_methods",
    label=_("Payout methods to verify"),
    path="/admin/payments/payoutmethod/?status__exact=pending&payee_account__isnull=True",
    permission=VERIFY,
    waiting=lambda: PayoutMethod.objects.filter(status=PayoutMethod.Status.PENDING, payee_account=None),
)
