"""The one door to contest anything: filed by the expert, decided by another person, or by the clock in his favour."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import outbox, states
from core.problems import Conflict, DomainError, FieldError, InvalidInput, map_constraint
from core.public import Principal, User
from core.sweeps import sweep
from experts.errors import require_other, require_reason
from experts.models import Appeal, AppealFile, Credential, Decision, Document, Expert, IdentityVerification, Restriction
from experts.operations import notices
from experts.ports import Contestable, appeal_subjects

DECIDE_WITHIN = dt.timedelta(days=7)
SILENCE = Principal.system("experts.resolve_appeals")
OUTCOMES = (Appeal.Status.UPHELD, Appeal.Status.PARTLY_UPHELD, Appeal.Status.OVERTURNED)


class AppealAlreadyOpen(Conflict):
    """You are contesting this already, and nobody has decided yet. Withdraw the open appeal to file another one."""

    code = "appeal_already_open"
    title = gettext_lazy("Already being contested")


class AppealDecided(Conflict):
    """An appeal against this decision was decided already, and that is final. `appeal` names it.

    A later decision about the same subject can be contested anew.
    """

    code = "appeal_decided"
    title = gettext_lazy("This was contested and decided")
    example_members: ClassVar[Mapping[str, Any]] = {"appeal": "apl_01k9w3v6z8f2qr5t4h7xnm0ceg"}


class AppealWindowOver(Conflict):
    """The time in which this could be contested is over; the decision, or the message about it, named its last day."""

    code = "appeal_window_over"
    title = gettext_lazy("Too late to contest this decision")


class AppealTooEarly(Conflict):
    """What you contest may still happen by itself: money on its way has not had the time that banks take.

    `contest_from` is the instant from which an appeal about it is taken.
    """

    code = "appeal_too_early"
    title = gettext_lazy("Too early to contest this")
    example_members: ClassVar[Mapping[str, Any]] = {"contest_from": "2026-11-30T00:00:00Z"}


class SameDecider(DomainError):
    """An appeal is decided by another person than the one whose decision it contests."""

    code = "same_decider"
    status = 403
    title = gettext_lazy("Another person decides an appeal")


map_constraint("experts_appeal_one_open", AppealAlreadyOpen)
map_constraint("experts_appeal_other_decider", SameDecider)


def file_appeal(
    *, expert: Expert, subject: str, reason: str, now: dt.datetime, files: Sequence[Document] = ()
) -> Appeal:
    """Contest a decision, or whatever ``subject`` names; the clock starts.

    Raises InvalidInput for a subject that is not the expert's, AppealAlreadyOpen, AppealDecided, AppealTooEarly,
    AppealWindowOver, ReasonMissing.
    """
    decision = _latest_decision(expert, subject)
    contested = _own_subject(expert, subject) if decision is None else _of_decision(decision)
    _require_in_time(contested, now=now)
    named = decision.subject if decision else subject
    about_it = Appeal.objects.filter(expert=expert, subject=named)
    if about_it.undecided().exists():
        raise AppealAlreadyOpen
    if decision is not None:
        _require_undecided(decision.appeals.all())
    elif contested.happened_at is not None:
        _require_undecided(about_it.filter(created_at__gte=contested.happened_at))
    appeal = Appeal.objects.create(
        expert=expert,
        tenant_id=contested.tenant_id,
        subject=named,
        decision=decision,
        first_decider_id=contested.decided_by_id,
        reason=require_reason(reason),
        due_at=now + DECIDE_WITHIN,
        created_at=now,
    )
    AppealFile.objects.bulk_create(AppealFile(appeal=appeal, document=document) for document in files)
    _publish("appeal.filed", appeal, now=now)
    return appeal


def _of_decision(decision: Decision) -> Contestable:
    return Contestable(decision.tenant_id, decision.decided_by_id, until=decision.answer_until)


def _require_in_time(contested: Contestable, *, now: dt.datetime) -> None:
    if contested.until is not None and contested.until < now:
        raise AppealWindowOver(_("It could be contested until %(until)s.") % {"until": _instant(contested.until)})
    if contested.since is not None and now < contested.since:
        detail = _("It can be contested from %(since)s.") % {"since": _instant(contested.since)}
        since = contested.since.astimezone(dt.UTC)
        raise AppealTooEarly(detail, contest_from=f"{since:%Y-%m-%dT%H:%M:%SZ}")


def _instant(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def _require_undecided(about_it: QuerySet[Appeal]) -> None:
    """Raise AppealDecided when somebody, or the clock, has decided one of the appeals about this very thing."""
    decided = about_it.filter(status__in=[*OUTCOMES, Appeal.Status.RESOLVED_BY_TIMEOUT]).first()
    if decided is not None:
        raise AppealDecided(appeal=decided.public_id)


def answer(*, appeal: Appeal, text: str, by: User, now: dt.datetime) -> Appeal:
    """The side whose decision is contested explains itself; the clock goes on."""
    locked = _lock(appeal)
    require_other(locked.expert, by)
    states.move(locked, Appeal.Status.ANSWERED)
    locked.answer = require_reason(text)
    locked.answered_at = now
    locked.save(update_fields=["status", "answer", "answered_at"])
    return locked


def decide(*, appeal: Appeal, outcome: str, note: str, by: User, now: dt.datetime) -> Appeal:
    """Another person decides: upheld, partly_upheld or overturned (each said of the decision contested).

    Raises SameDecider, OwnWork, ReasonMissing, InvalidTransition, InvalidInput.
    """
    if outcome not in OUTCOMES:
        raise InvalidInput(errors=[FieldError("/outcome", "invalid_choice", _("Not an outcome a person can give."))])
    locked = _lock(appeal)
    require_other(locked.expert, by)
    # whose decision is contested: the one named by the appeal, and who approved it with him
    found = appeal_subjects.find(subject=locked.subject, expert_id=locked.expert_id)
    if by.pk in {locked.first_decider_id, found.approved_by_id if found else None}:
        raise SameDecider
    if found is not None and not found.in_part and outcome == Appeal.Status.PARTLY_UPHELD:
        raise InvalidInput(errors=[FieldError("/outcome", "not_in_part", _("This is so or is not so, not in part."))])
    locked.outcome_note = require_reason(note)
    locked.decided_by = by
    return _close(locked, outcome, now=now)


def withdraw(*, appeal: Appeal, now: dt.datetime) -> Appeal:
    """The expert lets it be; what was decided stands."""
    locked = _lock(appeal)
    states.move(locked, Appeal.Status.WITHDRAWN)
    locked.decided_at = now
    locked.save(update_fields=["status", "decided_at"])
    _publish("appeal.withdrawn", locked, now=now)
    return locked


def resolve_overdue(*, now: dt.datetime, after: int = 0) -> int:
    """Resolve appeals nobody decided in time in their expert's favour; return how many."""
    overdue = Appeal.objects.overdue(now=now)

    def resolve(pk: int) -> bool:
        free = overdue.filter(pk=pk).select_for_update(no_key=True, of=("self",), skip_locked=True)
        appeal = free.select_related("expert").first()
        if appeal is None:
            return False
        appeal.outcome_note = _("Nobody decided before the deadline, so it was resolved in your favour.")
        _close(appeal, Appeal.Status.RESOLVED_BY_TIMEOUT, now=now)
        return True

    return sweep(by=SILENCE, due=overdue, step=resolve, after=after)


def _close(appeal: Appeal, status: str, *, now: dt.datetime) -> Appeal:
    states.move(appeal, status)
    appeal.decided_at = now
    appeal.save(update_fields=["status", "outcome_note", "decided_by", "decided_at"])
    notices.send_notice(
        expert=appeal.expert,
        kind="appeal.decided",
        subject=appeal.public_id,
        title=_("Your appeal: %(outcome)s") % {"outcome": appeal.get_status_display()},
        body=appeal.outcome_note,
        link=f"/api/v1/expert/appeals/{appeal.public_id}",
        now=now,
    )
    _publish("appeal.decided", appeal, now=now)
    return appeal


def _publish(name: str, appeal: Appeal, *, now: dt.datetime) -> None:
    by_clock = appeal.status == Appeal.Status.RESOLVED_BY_TIMEOUT
    outbox.publish(
        name,
        subject=appeal.public_id,
        tenant_id=appeal.tenant_id,
        user_id=appeal.expert.user_id,
        payload={
            "appeal": appeal.public_id,
            "decision": appeal.decision.public_id if appeal.decision else None,
            "subject": appeal.subject,
            "outcome": str(Appeal.Status.OVERTURNED if by_clock else appeal.status),
            "by_clock": by_clock,
        },
        now=now,
    )


def _lock(appeal: Appeal) -> Appeal:
    rows = Appeal.objects.select_for_update(no_key=True, of=("self",))
    return rows.select_related("expert", "decision").get(pk=appeal.pk)


def _latest_decision(expert: Expert, subject: str) -> Decision | None:
    own = Decision.objects.filter(expert=expert).order_by("-pk")
    return own.filter(public_id=subject).first() or own.filter(subject=subject).first()


def _own_subject(expert: Expert, subject: str) -> Contestable:
    for model in (Credential, IdentityVerification, Restriction):
        row = model._default_manager.filter(expert=expert, public_id=subject).first()
        if row is not None:
            return Contestable(tenant_id=None, decided_by_id=getattr(row, "decided_by_id", None))
    found = appeal_subjects.find(subject=subject, expert_id=expert.pk)
    if found is None:
        detail = _("There is nothing of yours with this id that could be contested.")
        raise InvalidInput(errors=[FieldError("/subject", "unknown_subject", detail)])
    return found
