"""`/expert/decisions`, `/expert/appeals` and `/expert/notices`: what was decided, the one door to contest it, news."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypedDict

from django.utils.translation import gettext as _
from rest_framework import serializers

from core.api.call import Call, Listed
from core.api.endpoint import endpoint
from core.api.fields import PublicIdField, StrictCharField
from core.api.lookup import get_or_404
from core.api.types import AnyJson, Doc, Example, IdOf, Link, Timestamp
from core.api.views import ExpertView
from core.ids import LONGEST_ID
from core.problems import FieldError, InvalidInput
from experts.api.me import me
from experts.models import Appeal, Decision, Document, Notice
from experts.operations import appeals, notices
from experts.operations.appeals import AppealAlreadyOpen, AppealDecided, AppealTooEarly, AppealWindowOver
from experts.ports import lab_people

Subject = Annotated[str, Doc("Public id of what it is about."), Example("sub_01k9w3v6z8f2qr5t4h7xnm0ceg")]


class DecisionOut(TypedDict):
    """An act that cost money or access. It is never changed; an appeal answers it."""

    id: Annotated[str, IdOf("dec")]
    act: Annotated[str, Example("reject_submission")]
    subject: Subject
    reason_code: Annotated[str, Example("failed_instructions")]
    explanation: str
    evidence: AnyJson
    decided_by: Annotated[
        str,
        Doc(
            "Name of the member of staff who decided. Of a person of the lab only that it was one: the name would tell who"
            " the lab is. The platform keeps it, and another person decides an appeal."
        ),
        Example("Grace Hopper"),
    ]
    decided_at: Timestamp
    answer_until: Annotated[Timestamp, Doc("Until when it can be contested.")]


class AppealOut(TypedDict):
    """What an expert contests, and what became of it."""

    id: Annotated[str, IdOf("apl")]
    subject: Subject
    decision: Annotated[str | None, IdOf("dec")]
    reason: str
    files: list[Annotated[str, IdOf("doc")]]
    status: Annotated[
        str,
        Doc(
            "open, answered, upheld, partly_upheld, overturned (said of the decision), withdrawn, resolved_by_timeout."
        ),
        Example("open"),
    ]
    due_at: Annotated[Timestamp, Doc("Silence past this instant is resolved in your favour.")]
    answer: str
    outcome_note: str
    decided_at: Timestamp | None
    created_at: Timestamp


class NoticeOut(TypedDict):
    """One message."""

    id: Annotated[str, IdOf("ntc")]
    kind: Annotated[str, Example("credential.verified")]
    subject: str
    title: str
    body: str
    link: Link
    sent_at: Timestamp
    read_at: Timestamp | None


class SubjectFilter(serializers.Serializer[None]):
    """Filters."""

    subject = StrictCharField(max_length=LONGEST_ID, required=False)


class AppealFilter(SubjectFilter):
    """Filters."""

    status = serializers.ChoiceField(choices=Appeal.Status.choices, required=False)


class NoticeFilter(serializers.Serializer[None]):
    """Filters."""

    kind = StrictCharField(max_length=60, required=False)
    unread = serializers.ChoiceField(choices=[("true", "true"), ("false", "false")], required=False)


class AppealIn(serializers.Serializer[None]):
    """What is contested, and why."""

    subject = StrictCharField(max_length=LONGEST_ID, help_text="Id of a decision, or of the thing itself.")
    reason = StrictCharField(max_length=5000)
    files = serializers.ListField(
        child=PublicIdField("doc"), required=False, max_length=10, help_text="Ids of uploaded documents."
    )


def decisions_of(call: Call) -> Any:
    """Decisions about the caller with their deciders."""
    return Decision.objects.visible_to(call.principal).select_related("decided_by")


def appeals_of(call: Call) -> Any:
    """The caller's appeals with what a row shows."""
    rows = Appeal.objects.visible_to(call.principal).select_related("decision")
    return rows.prefetch_related("files__document")


def own_files(call: Call) -> list[Document]:
    """The named documents; all of them must be the caller's. Raises InvalidInput."""
    wanted = call.body.get("files", [])
    found = {row.public_id: row for row in Document.objects.visible_to(call.principal).filter(public_id__in=wanted)}
    errors = [
        FieldError(f"/files/{index}", "unknown_document", _("You have no such document."))
        for index, public_id in enumerate(wanted)
        if public_id not in found
    ]
    if errors:
        raise InvalidInput(errors=errors)
    return list(found.values())


def render_decisions(rows: Sequence[Decision]) -> list[DecisionOut]:
    """Decisions; ``decided_by`` is joined."""
    asked = {(row.decided_by_id, row.tenant_id) for row in rows if row.tenant_id is not None}
    acting = lab_people.get().acting(pairs=asked) if asked else set()
    return [_render_decision(row, for_lab=(row.decided_by_id, row.tenant_id) in acting) for row in rows]


def _render_decision(row: Decision, *, for_lab: bool) -> DecisionOut:
    return {
        "id": row.public_id,
        "act": row.act,
        "subject": row.subject,
        "reason_code": row.reason_code,
        "explanation": row.explanation,
        "evidence": row.evidence,
        "decided_by": _decider(row, for_lab=for_lab),
        "decided_at": row.decided_at,
        "answer_until": row.answer_until,
    }


def _decider(row: Decision, *, for_lab: bool) -> str:
    """Who decided, as the expert may know it: a lab may hide behind an alias, and its people would give it away.

    Whoever left the lab since, and is no member of staff, is not named either.
    """
    if for_lab or (row.tenant_id is not None and not row.decided_by.is_staff):
        return _("A person of the lab")
    return row.decided_by.name or _("A member of staff")


def render_appeal(row: Appeal) -> AppealOut:
    """An appeal; ``decision`` and files are fetched."""
    return {
        "id": row.public_id,
        "subject": row.subject,
        "decision": None if row.decision is None else row.decision.public_id,
        "reason": row.reason,
        "files": [file.document.public_id for file in row.files.all()],
        "status": row.status,
        "due_at": row.due_at,
        "answer": row.answer,
        "outcome_note": row.outcome_note,
        "decided_at": row.decided_at,
        "created_at": row.created_at,
    }


def render_notice(row: Notice) -> NoticeOut:
    """A message."""
    return {
        "id": row.public_id,
        "kind": row.kind,
        "subject": row.subject,
        "title": row.title,
        "body": row.body,
        "link": row.link,
        "sent_at": row.sent_at,
        "read_at": row.read_at,
    }


class DecisionList(ExpertView):
    """What was decided about the caller."""

    @endpoint(
        summary="List decisions about me",
        query=SubjectFilter,
        returns=DecisionOut,
        paginated=True,
    )
    def get(self, call: Call) -> Listed:
        """Newest first, each with its reason, evidence and decider."""
        return Listed(decisions_of(call).filter(**call.query), render_decisions, together=True)


class DecisionDetail(ExpertView):
    """One decision."""

    @endpoint(summary="Show a decision about me", returns=DecisionOut)
    def get(self, call: Call, decision_id: str) -> DecisionOut:
        """To contest it, file an appeal with its id as the subject."""
        (shown,) = render_decisions([get_or_404(decisions_of(call), decision_id)])
        return shown


class AppealList(ExpertView):
    """What the caller contests."""

    @endpoint(
        summary="List my appeals",
        query=AppealFilter,
        returns=AppealOut,
        paginated=True,
        render=render_appeal,
    )
    def get(self, call: Call) -> Any:
        """Newest first, each with its clock."""
        return appeals_of(call).filter(**call.query)

    @endpoint(
        summary="Contest something",
        body=AppealIn,
        returns=AppealOut,
        status=201,
        errors=[AppealAlreadyOpen, AppealDecided, AppealTooEarly, AppealWindowOver],
        example={"subject": "dec_01k9w3v6z8f2qr5t4h7xnm0ceg", "reason": "The instructions allowed this source."},
    )
    def post(self, call: Call) -> AppealOut:
        """The one door: a decision, a credential, a restriction, an entry of hours, a payout that did not arrive.

        Another person decides in time. A payout that counts as paid is contested by its id (`pay_…`) once it should have
        arrived, and one that is under way for too long; `GET /expert/payouts` tells from when, and until when.
        """
        appeal = appeals.file_appeal(
            expert=me(call),
            subject=call.body["subject"],
            reason=call.body["reason"],
            files=own_files(call),
            now=call.now,
        )
        return render_appeal(get_or_404(appeals_of(call), appeal.public_id))


class AppealDetail(ExpertView):
    """One appeal."""

    @endpoint(summary="Show one of my appeals", returns=AppealOut)
    def get(self, call: Call, appeal_id: str) -> AppealOut:
        """How far it is."""
        return render_appeal(get_or_404(appeals_of(call), appeal_id))


class AppealWithdraw(ExpertView):
    """Letting it be."""

    @endpoint(summary="Withdraw an appeal", returns=AppealOut)
    def post(self, call: Call, appeal_id: str) -> AppealOut:
        """What was decided stands."""
        appeal = get_or_404(appeals_of(call), appeal_id)
        appeals.withdraw(appeal=appeal, now=call.now)
        return render_appeal(get_or_404(appeals_of(call), appeal_id))


class NoticeList(ExpertView):
    """News for the caller."""

    @endpoint(
        summary="List my notices",
        query=NoticeFilter,
        returns=NoticeOut,
        paginated=True,
        render=render_notice,
    )
    def get(self, call: Call) -> Any:
        """Newest first."""
        filters = dict(call.query)
        unread = filters.pop("unread", None)
        rows = Notice.objects.visible_to(call.principal).filter(**filters)
        return rows if unread is None else rows.filter(read_at__isnull=unread == "true")


class NoticeRead(ExpertView):
    """Reading."""

    @endpoint(summary="Mark a notice as read", returns=NoticeOut)
    def post(self, call: Call, notice_id: str) -> NoticeOut:
        """The first reading counts."""
        notice = get_or_404(Notice.objects.visible_to(call.principal), notice_id)
        return render_notice(notices.mark_read(notice=notice, now=call.now))
