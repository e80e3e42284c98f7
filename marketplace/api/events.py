"""`/events`: what happened, for the lab."""

from __future__ import annotations

from typing import Annotated, TypedDict

from django.db.models import QuerySet

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import StrictCharField
from core.api.filters import CreatedFilters
from core.api.lookup import get_or_404
from core.api.types import Doc, Example, IdOf, Timestamp
from core.api.views import LabView
from core.public import Event
from marketplace.api.filters import narrowed


class EventOut(TypedDict):
    """One thing that happened. It names what it happened to: read that for its state."""

    id: Annotated[str, IdOf("evt")]
    type: Annotated[str, Example("offer.accepted")]
    subject: Annotated[str, Doc("Public id of what it happened to."), Example("off_01k9w3v6z8f2qr5t4h7xnm0ceg")]
    data: Annotated[dict[str, str], Doc("Further ids."), Example({"opening": "opn_01k9w3v6z8f2qr5t4h7xnm0ceg"})]
    occurred_at: Timestamp


class EventFilters(CreatedFilters):
    """Which events."""

    type = StrictCharField(required=False, max_length=80)
    subject = StrictCharField(required=False, max_length=60)


def events_of(call: Call) -> QuerySet[Event]:
    """The lab's own news."""
    return Event.objects.visible_to(call.principal)


def render_event(event: Event) -> EventOut:
    """One event; of the payload, ids only."""
    return {
        "id": event.public_id,
        "type": event.name,
        "subject": event.subject,
        "data": {name: value for name, value in event.payload.items() if isinstance(value, str)},
        "occurred_at": event.occurred_at,
    }


class EventList(LabView):
    """News."""

    @endpoint(
        summary="List events",
        scope="events:read",
        query=EventFilters,
        returns=EventOut,
        paginated=True,
        render=render_event,
    )
    def get(self, call: Call) -> QuerySet[Event]:
        """Newest first; only the lab's own."""
        return narrowed(events_of(call), call.query, type="name", subject="subject")


class EventDetail(LabView):
    """One event."""

    @endpoint(summary="Show an event", scope="events:read", returns=EventOut)
    def get(self, call: Call, event_id: str) -> EventOut:
        """One thing that happened."""
        return render_event(get_or_404(events_of(call), event_id))
