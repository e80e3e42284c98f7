"""Providers: what they told us, and the accounts that experts have with them."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from core import clock
from core.desk import CadreAdmin, confirmed, register_queue
from payments.models import InboundEvent, PayeeAccount
from payments.operations.rails import inbox

DECIDE = "payments.decide_payout"


@admin.register(InboundEvent)
class InboundEventAdmin(CadreAdmin):
    """The inbox: every event once, with what became of it. What it said is kept as it came and not shown."""

    list_display = ("event_id", "provider", "kind", "status", "code", "tries", "received_at", "handled_at")
    list_filter = ("status", "provider", "kind")
    search_fields = ("event_id", "account")
    exclude = ("raw",)
    actions = ("handle_again",)

    @confirmed(
        description=_("Handle failed events again"),
        effect=_("What the provider says is asked for once more, and booked if it can be handled now."),
        permission=DECIDE,
    )
    def handle_again(self, request: HttpRequest, row: InboundEvent) -> None:
        """What stood in the way is gone."""
        inbox.handle_again(event=row, now=clock.now())


@admin.register(PayeeAccount)
class PayeeAccountAdmin(CadreAdmin):
    """Accounts of experts at providers. Links to a provider's pages are the expert's alone."""

    list_display = ("account", "expert", "provider", "country", "status", "code", "checked_at")
    list_filter = ("status", "provider", "country")
    search_fields = ("public_id", "account", "expert__public_id", "expert__legal_name")
    list_select_related = ("expert",)
    exclude = ("link_url", "link_expires_at")


register_queue(
    name="payments.failed_events",
    label=_("Events of providers that could not be handled"),
    path="/admin/payments/inboundevent/?status__exact=failed",
    permission=DECIDE,
    waiting=lambda: InboundEvent.objects.filter(status=InboundEvent.Status.FAILED),
    since="received_at",
)
