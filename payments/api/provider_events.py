"""`/providers/{provider}/events`: what payout providers tell us."""

from __future__ import annotations

from typing import Annotated, TypedDict

from core.api.bodies import JSON
from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.types import Doc, Example
from core.api.views import PublicView
from payments.operations.rails import inbox
from payments.operations.rails.inbox import InvalidEventSignature

LARGEST = 512 * 1024


class EventReceiptOut(TypedDict):
    """What was kept."""

    received: Annotated[int, Doc("Events in this delivery, those that were known already included."), Example(1)]


class ProviderEvents(PublicView):
    """For providers, who prove themselves by signing."""

    @endpoint(
        summary="Receive events of a payout provider",
        rate="events",
        raw=JSON,
        max_body=LARGEST,
        idempotency="none",
        returns=EventReceiptOut,
        errors=[InvalidEventSignature],
        operation_id="providers_events_receive",
        example={
            "id": "evt_1Pgc76B7WZ01zgkW",
            "object": "event",
            "type": "payout.paid",
            "data": {"object": {"id": "po_1Pgc79B7WZ01zgkW", "object": "payout"}},
        },
    )
    def post(self, call: Call, provider: str) -> EventReceiptOut:
        """Signed by the provider over the raw body (Stripe: the header `Stripe-Signature`), no other credentials.

        Kept, answered, then handled: an event that comes twice is kept once.
        """
        return {"received": inbox.deliver(provider=provider, raw=call.sent, headers=call.request.headers, now=call.now)}
