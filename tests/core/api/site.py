"""A small API of its own for the edge's tests: notes are outbox events, since the kernel has no noun to offer."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from django.db import connection
from django.db.models import QuerySet
from django.http import HttpResponse
from django.urls import include, path
from rest_framework import serializers

from config.urls import handler400, handler403, handler404, handler500
from core import long_work, outbox
from core.api import fields
from core.api.call import Accepted, Call, Download, Reply
from core.api.endpoint import endpoint
from core.api.lookup import get_or_404
from core.api.types import Currency, Doc, Example, IdOf, Metadata, MoneyOut, Timestamp, render_money
from core.api.urls import expert_urlpatterns, lab_urlpatterns, site_urlpatterns
from core.api.views import ExpertView, LabView, PublicView
from core.models import Event, Operation
from core.problems import DomainError, Remedy

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]


class NoteTooLoud(DomainError):
    """The note is written in capitals only.

    Say it again, quietly.
    """

    code = "note_too_loud"
    status = 409
    title = "The note is too loud"
    example_members = {"loudness": 3}


class LineIn(serializers.Serializer[None]):
    """One line of a note."""

    text = serializers.CharField(max_length=20)
    weight = serializers.IntegerField(required=False, min_value=0)


class NoteIn(serializers.Serializer[None]):
    """A note."""

    text = fields.StrictCharField(max_length=50)
    count = serializers.IntegerField(required=False, min_value=0, max_value=9)
    urgent = serializers.BooleanField(required=False)
    ratio = serializers.FloatField(required=False)
    colour = serializers.ChoiceField(choices=["red", "green"], required=False)
    at = fields.InstantField(required=False)
    price = fields.MoneyField(required=False)
    length = fields.DurationField(required=False, max_seconds=3600)
    lines = LineIn(many=True, required=False)
    tags = serializers.ListField(child=serializers.CharField(max_length=5), required=False, max_length=3)
    metadata = fields.MetadataField()
    payload = serializers.JSONField(required=False)


class NoteFilters(serializers.Serializer[None]):
    """Which notes."""

    subject = serializers.CharField(required=False)
    limit_to = serializers.IntegerField(required=False, min_value=1)


class NoteOut(TypedDict):
    """A note."""

    id: Annotated[str, IdOf("evt")]
    text: Annotated[str, Doc("What it says."), Example("hello")]
    price: NotRequired[MoneyOut | None]
    currency: NotRequired[Currency | None]
    notes: NotRequired[Metadata | None]
    kind: Literal["note"]
    created_at: Timestamp


class SecretOut(TypedDict):
    """Something shown once."""

    id: Annotated[str, IdOf("evt")]
    secret: Annotated[str | None, Doc("Shown once."), Example("s3cret")]


def render_note(event: Event) -> NoteOut:
    """One note."""
    return {"id": event.public_id, "text": event.subject, "kind": "note", "created_at": event.occurred_at}


def _write(call: Call, text: str) -> Event:
    return outbox.publish("note.written", subject=text, now=call.now, tenant_id=call.principal.tenant_id)


class NoteList(LabView):
    """Notes of a lab."""

    @endpoint(
        summary="List notes",
        scope="notes:read",
        query=NoteFilters,
        returns=NoteOut,
        paginated=True,
        render=render_note,
    )
    def get(self, call: Call) -> QuerySet[Event]:
        """The newest first."""
        notes = Event.objects.visible_to(call.principal)
        return notes.filter(subject=call.query["subject"]) if "subject" in call.query else notes

    @endpoint(
        summary="Write a note",
        scope="notes:write",
        body=NoteIn,
        returns=NoteOut,
        status=201,
        also={200: NoteOut},
        errors=[NoteTooLoud],
        example={"text": "hello"},
        ndjson="lines",
        max_body=100_000,
    )
    def post(self, call: Call) -> NoteOut | Reply:
        """Once."""
        text = call.body["text"]
        event = _write(call, text)
        if text.isupper():
            raise NoteTooLoud("Please whisper.", remedy=Remedy("Use lower case.", "/docs/whisper"), loudness=len(text))
        if text == "nul in the database":
            _write(call, "\x00")
        if text == "broken constraint":
            Event.objects.filter(pk=event.pk).update(public_id=Event.objects.order_by("pk")[0].public_id)
        if text == "late":
            with connection.cursor() as cursor:
                cursor.execute("UPDATE core_event SET tenant_id = 999999 WHERE id = %s", [event.pk])
        if text == "bug":
            raise ZeroDivisionError
        if text == "again":
            return Reply(render_note(event), status=200, headers={"X-Note": "again"})
        answer = render_note(event)
        if "price" in call.body:
            answer["price"] = render_money(call.body["price"])
        return answer


class NoteDetail(LabView):
    """One note."""

    @endpoint(summary="Show a note", scope="notes:read", returns=NoteOut)
    def get(self, call: Call, note_id: str) -> NoteOut:
        """By its id."""
        return render_note(get_or_404(Event.objects.visible_to(call.principal), note_id))

    @endpoint(summary="Change a note", scope="notes:write", body=NoteIn, returns=NoteOut)
    def patch(self, call: Call, note_id: str) -> NoteOut:
        """Partly."""
        note = get_or_404(Event.objects.visible_to(call.principal), note_id)
        note.subject = call.body.get("text", note.subject)
        note.save(update_fields=["subject"])
        return render_note(note)

    @endpoint(summary="Drop a note", scope="notes:write")
    def delete(self, call: Call, note_id: str) -> None:
        """For good."""
        get_or_404(Event.objects.visible_to(call.principal), note_id).delete()


class NoteRing(LabView):
    """Ringing needs a key."""

    @endpoint(summary="Ring", scope="notes:write", returns=NoteOut, idempotency="required", rate="money")
    def post(self, call: Call, note_id: str) -> NoteOut:
        """No body."""
        return render_note(_write(call, f"ring {note_id}"[:50]))


class SecretList(LabView):
    """Secrets."""

    @endpoint(summary="Make a secret", returns=SecretOut, status=201, secrets=["secret"])
    def post(self, call: Call) -> SecretOut:
        """Shown once."""
        return {"id": _write(call, "secret").public_id, "secret": "s3cret"}


class Upload(LabView):
    """Files."""

    class FileIn(serializers.Serializer[None]):
        """A file."""

        title = serializers.CharField()
        file = serializers.FileField()

    @endpoint(summary="Upload", body=FileIn, returns=NoteOut, status=201, multipart=True)
    def post(self, call: Call) -> NoteOut:
        """As a form."""
        return render_note(_write(call, f"{call.body['title']}:{call.body['file'].size}"))

    @endpoint(summary="Download", returns=Download("text/csv"))
    def get(self, call: Call) -> HttpResponse:
        """As CSV."""
        return HttpResponse("a,b\n", content_type="text/csv")


@long_work.runner("tests.long")
def _long(operation: Operation, now: Any) -> None:
    long_work.finish(operation, now=now, results=[{"index": 0, "id": "evt_x"}])


class LongWork(LabView):
    """Long work."""

    @endpoint(summary="Start", returns=Accepted)
    def post(self, call: Call) -> Accepted:
        """Answers at once."""
        return Accepted(long_work.start(kind="tests.long", params={}, principal=call.principal, now=call.now))


class WordsIn(serializers.Serializer[None]):
    """What to say."""

    words = serializers.CharField(required=False)


class MeOut(TypedDict):
    """Who."""

    label: str
    said: str | None


class Me(ExpertView):
    """The caller."""

    @endpoint(summary="Who am I", returns=MeOut)
    def get(self, call: Call) -> MeOut:
        """Reads."""
        return {"label": call.principal.label, "said": None}

    @endpoint(summary="Say something", body=WordsIn, returns=MeOut)
    def post(self, call: Call) -> MeOut:
        """Writes."""
        return {"label": call.principal.label, "said": call.body.get("words")}


class Ping(PublicView):
    """Everybody."""

    class PongOut(TypedDict):
        """Pong."""

        pong: bool

    @endpoint(summary="Ping", returns=PongOut)
    def get(self, call: Call) -> PongOut:
        """Pong."""
        return {"pong": True}

    @endpoint(summary="Pong", returns=PongOut, status=201)
    def post(self, call: Call) -> PongOut:
        """Leaves a trace."""
        outbox.publish("pong", subject="pong", now=call.now)
        return {"pong": True}


_notes = [
    path("notes", NoteList.as_view()),
    path("notes/<str:note_id>", NoteDetail.as_view()),
    path("notes/<str:note_id>/ring", NoteRing.as_view()),
    path("secrets", SecretList.as_view()),
    path("uploads", Upload.as_view()),
    path("long-work", LongWork.as_view()),
    path("expert/me", Me.as_view()),
    path("ping", Ping.as_view()),
]
urlpatterns = [
    path("_allauth/", include("allauth.headless.urls")),
    path("accounts/", include("allauth.urls")),
    path("api/v1/expert/", include(expert_urlpatterns)),
    path("api/v1/", include([*_notes, *lab_urlpatterns])),
    *site_urlpatterns,
]
