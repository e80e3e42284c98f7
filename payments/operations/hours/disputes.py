"""A lab contests one entry: heard, decided by a person of the platform, or by the clock in the expert's favour."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import outbox, states
from core.durations import format_duration, in_words
from core.money import Money
from core.problems import Conflict, DomainError, FieldError, InvalidInput, map_constraint
from core.public import Principal, User
from experts.public import require_other
from payments.models import Dispute, TimeEntry, Timesheet
from payments.operations.hours import counted_hours, hours_lock, late_disputes, settlement
from payments.operations.pay import adjustments, pay_notices
from payments.operations.pay.pay_notices import PayNews
from payments.queries.statement_lines import OUTCOMES

ANSWER_WINDOW: Final = dt.timedelta(days=3)
DECISION_WINDOW: Final = dt.timedelta(days=7)
ACT: Final = "hours.disputed"

_FULL: Final = frozenset({Dispute.Status.OVERTURNED, Dispute.Status.WITHDRAWN, Dispute.Status.RESOLVED_BY_TIMEOUT})


class NotHeardYet(Conflict):
    """The expert has not answered, and his time to answer is not over.

    Hours are cut only after he could speak. Deciding in his favour is possible at once.
    """

    code = "not_heard_yet"
    title = gettext_lazy("The expert may still answer")
    example_members: ClassVar[Mapping[str, Any]] = {"answer_by": "2026-11-19T09:30:00Z"}


class OwnDispute(DomainError):
    """The person who opened a dispute does not decide it."""

    code = "own_dispute"
    status = 403
    title = gettext_lazy("Another person decides a dispute")


map_constraint("payments_dispute_not_by_its_opener", OwnDispute)


def open_against(
    *,
    entry: TimeEntry,
    reason: str,
    proposed_seconds: int,
    decided_by: User,
    by: Principal,
    now: dt.datetime,
    what_changed: str = "",
) -> Dispute:
    """Take one entry out of a submitted week, or set aside the pay of an approved one. The rest is paid on schedule.

    ``proposed_seconds`` is what the lab thinks should count: less than the entry's billable seconds.
    Raises OwnWork, InvalidInput, InvalidTransition; for approved hours AlreadyDisputed, ApprovedByTheLab,
    DisputeWindowOver.
    """
    hours_lock.take(entry.expert_id)
    sheet = Timesheet.objects.select_for_update(no_key=True, of=("self",)).get(pk=entry.timesheet_id)
    contested = _entry(entry.pk)
    require_other(contested.expert, decided_by)
    if contested.is_settled:
        late_disputes.require_open(entry=contested, what_changed=what_changed, now=now)
    else:
        states.move(contested, TimeEntry.Status.DISPUTED)
    dispute = _case(contested, proposed_seconds, reason=reason, what_changed=what_changed, by=decided_by, now=now)
    if dispute.after_approval:
        late_disputes.set_aside(dispute=dispute, entry=contested, now=now)
    else:
        contested.save(update_fields=["status"])
    dispute.save()
    _publish("dispute.opened", dispute, actor=by.label, now=now)
    _notify_opened(dispute, week=sheet.iso_week, now=now)
    return dispute


def _case(
    entry: TimeEntry, proposed_seconds: int, *, reason: str, what_changed: str, by: User, now: dt.datetime
) -> Dispute:
    """A dispute that is not saved yet, with its deadlines. Raises InvalidInput where the proposal cuts nothing."""
    counted = counted_hours.counted_now(entry)
    if proposed_seconds >= counted:
        detail = _("Propose less than the %(time)s that count now.") % {"time": in_words(counted)}
        raise InvalidInput(errors=[FieldError("/proposed", "too_large", detail)])
    return Dispute(
        tenant_id=entry.tenant_id,
        entry=entry,
        expert=entry.expert,
        reason=reason,
        proposed_seconds=proposed_seconds,
        claimed_seconds=counted,
        after_approval=entry.is_settled,
        what_changed=what_changed,
        opened_by=by,
        answer_by=now + ANSWER_WINDOW,
        decide_by=now + DECISION_WINDOW,
        created_at=now,
    )


def answer(*, dispute: Dispute, text: str, by: Principal, now: dt.datetime) -> Dispute:
    """The expert's side of it. Raises InvalidTransition when he answered already or it is decided."""
    locked = _locked(dispute.pk)
    states.move(locked, Dispute.Status.ANSWERED)
    locked.answer = text
    locked.answered_at = now
    locked.save(update_fields=["status", "answer", "answered_at"])
    _publish("dispute.answered", locked, actor=by.label, now=now)
    return locked


def decide(
    *,
    dispute: Dispute,
    outcome: str,
    note: str,
    decided_by: User,
    now: dt.datetime,
    seconds: int | None = None,
) -> Dispute:
    """A person of the platform decides: upheld (the lab's proposal counts), partly_upheld (``seconds``) or overturned.

    Raises OwnWork, OwnDispute, NotHeardYet, InvalidInput, InvalidTransition.
    """
    hours_lock.take(dispute.expert_id)
    locked = _locked(dispute.pk)
    require_other(locked.expert, decided_by)
    if locked.opened_by_id == decided_by.pk:
        raise OwnDispute
    entry = _entry(locked.entry_id)
    counted = _counted(locked, entry, outcome, seconds)
    states.move(locked, outcome)
    if counted < locked.claimed(entry) and not locked.answered_at and now < locked.answer_by:
        raise NotHeardYet(answer_by=f"{locked.answer_by:%Y-%m-%dT%H:%M:%SZ}")
    _close(locked, entry, counted=counted, note=note, decided_by=decided_by, now=now)
    return locked


def withdraw(*, dispute: Dispute, decided_by: User, note: str, now: dt.datetime) -> Dispute:
    """The lab lets it be; the entry is paid in full. Raises OwnWork, InvalidTransition."""
    hours_lock.take(dispute.expert_id)
    locked = _locked(dispute.pk)
    require_other(locked.expert, decided_by)
    states.move(locked, Dispute.Status.WITHDRAWN)
    entry = _entry(locked.entry_id)
    _close(locked, entry, counted=locked.claimed(entry), note=note, decided_by=decided_by, now=now)
    return locked


def resolve_by_silence(*, dispute_id: int, now: dt.datetime) -> None:
    """Pay the expert in full when nobody decided in time; harmless when somebody did in the meantime."""
    overdue = Dispute.objects.overdue(now=now).filter(pk=dispute_id).first()
    if overdue is None:
        return
    hours_lock.take(overdue.expert_id)
    locked = _locked(dispute_id)
    if not locked.is_undecided:
        return
    states.move(locked, Dispute.Status.RESOLVED_BY_TIMEOUT)
    entry = _entry(locked.entry_id)
    note = _("Nobody decided before the deadline, so the hours count in full.")
    _close(locked, entry, counted=locked.claimed(entry), note=note, decided_by=None, now=now)


def _counted(dispute: Dispute, entry: TimeEntry, outcome: str, seconds: int | None) -> int:
    """How many seconds count after an outcome. Raises InvalidInput where the two contradict each other."""
    full = dispute.claimed(entry)
    if outcome in _FULL:
        return full
    if outcome == Dispute.Status.UPHELD:
        return dispute.proposed_seconds
    if seconds is None or not dispute.proposed_seconds < seconds < full:
        detail = _("Partly upheld counts more than %(low)s and less than %(high)s.") % {
            "low": in_words(dispute.proposed_seconds),
            "high": in_words(full),
        }
        raise InvalidInput(detail, errors=[FieldError("/counted", "out_of_range", detail)])
    return seconds


def _close(
    dispute: Dispute, entry: TimeEntry, *, counted: int, note: str, decided_by: User | None, now: dt.datetime
) -> None:
    """Write the outcome down and turn the entry into money with what counts."""
    dispute.decided_seconds = counted
    dispute.decided_by = decided_by
    dispute.decided_at = now
    dispute.outcome_note = note
    dispute.save(update_fields=["status", "decided_seconds", "decided_by", "decided_at", "outcome_note"])
    cut = dispute.claimed(entry) - counted
    if dispute.after_approval:
        late_disputes.settle(dispute=dispute, entry=entry, now=now)
    else:
        entry.seconds = counted
        entry.disallowed_seconds += cut
        settlement.settle(entries=[entry], to=TimeEntry.Status.ADJUSTED if cut else TimeEntry.Status.APPROVED, now=now)
    _publish("dispute.resolved", dispute, actor="", now=now)
    news = PayNews(
        expert=dispute.expert,
        kind="dispute.resolved",
        subject=dispute.public_id,
        title=_("Your contested hours are decided: %(outcome)s") % {"outcome": OUTCOMES[dispute.status]},
        body=_("%(time)s of the entry count. %(note)s") % {"time": in_words(counted), "note": note},
        link=f"/api/v1/expert/earnings/{entry.public_id}/explain",
    )
    if cut and decided_by is not None:
        _explain_cut(dispute, entry, news, cut=cut, decided_by=decided_by, now=now)
    else:
        pay_notices.tell(news, now=now)


def _explain_cut(
    dispute: Dispute, entry: TimeEntry, news: PayNews, *, cut: int, decided_by: User, now: dt.datetime
) -> None:
    """Hours that are taken away have an Adjustment and a Decision that can be contested; one message tells both."""
    if not dispute.after_approval:  # there the correction of the journal is the adjustment
        adjustments.record_cut(entry=entry, seconds=cut, reason=dispute.outcome_note, decided_by=decided_by, now=now)
    pay_notices.tell_decision(
        news,
        act=ACT,
        reason_code=dispute.status,
        explanation=dispute.outcome_note,
        evidence={
            "time_entry": entry.public_id,
            "reason": dispute.reason,
            "answer": dispute.answer,
            "taken": format_duration(cut),
        },
        decided_by=decided_by,
        now=now,
        tenant_id=dispute.tenant_id,
    )


def _locked(pk: int) -> Dispute:
    return Dispute.objects.select_for_update(no_key=True, of=("self",)).select_related("expert").get(pk=pk)


def _entry(pk: int) -> TimeEntry:
    entries = TimeEntry.objects.select_for_update(no_key=True, of=("self",))
    return entries.select_related("snapshot", "expert", "contract").get(pk=pk)


def _publish(event: str, dispute: Dispute, *, actor: str, now: dt.datetime) -> None:
    outbox.publish(
        event,
        subject=dispute.public_id,
        tenant_id=dispute.tenant_id,
        user_id=dispute.expert.user_id,
        actor=actor,
        payload={"dispute": dispute.public_id, "time_entry": dispute.entry.public_id},
        now=now,
    )


def _notify_opened(dispute: Dispute, *, week: str, now: dt.datetime) -> None:
    news = PayNews(
        expert=dispute.expert,
        kind="dispute.opened",
        subject=dispute.public_id,
        title=_("The lab disputes an entry of %(week)s") % {"week": week},
        body=_(
            "%(reason)s\n\nSet aside until then: %(amount)s. Answer by %(answer)s UTC. It is decided by %(decide)s UTC;"
            " silence until then pays you."
        )
        % {
            "reason": dispute.reason,
            "amount": Money(dispute.set_aside_minor, dispute.entry.snapshot.currency)
            if dispute.after_approval
            else _("the whole entry"),
            "answer": f"{dispute.answer_by:%Y-%m-%d %H:%M}",
            "decide": f"{dispute.decide_by:%Y-%m-%d %H:%M}",
        },
        link=f"/api/v1/expert/disputes/{dispute.public_id}",
    )
    pay_notices.tell(news, now=now)
