"""Writing down acts that cost an expert money or access."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils.translation import gettext as _

from core import outbox
from core.public import User
from experts.errors import require_other, require_reason
from experts.models import Decision, Expert
from experts.operations import notices

CONTEST_DAYS = 14


def record_decision(
    *,
    expert: Expert,
    act: str,
    subject: str,
    reason_code: str,
    explanation: str,
    evidence: dict[str, Any],
    decided_by: User,
    now: dt.datetime,
    tenant_id: int | None = None,
    answer_days: int = CONTEST_DAYS,
    notify: bool = True,
) -> Decision:
    """Keep who decided what about ``subject`` (a public id), why, and on what evidence; tell the expert how to contest.

    With ``notify=False`` the caller sends the one message about the act himself, and says in it how and until when.

    Raises OwnWork when the decider is the expert, ReasonMissing without an explanation.
    """
    require_other(expert, decided_by)
    decision = Decision.objects.create(
        expert=expert,
        tenant_id=tenant_id,
        subject=subject,
        act=act,
        reason_code=reason_code,
        explanation=require_reason(explanation),
        evidence=evidence,
        decided_by=decided_by,
        decided_at=now,
        answer_until=now + dt.timedelta(days=answer_days),
    )
    if notify:
        _tell(decision, now=now)
    _publish(decision, now=now)
    return decision


def _publish(decision: Decision, *, now: dt.datetime) -> None:
    outbox.publish(
        "decision.made",
        subject=decision.public_id,
        tenant_id=decision.tenant_id,
        user_id=decision.expert.user_id,
        payload={"decision": decision.public_id, "subject": decision.subject, "act": decision.act},
        now=now,
    )


def _tell(decision: Decision, *, now: dt.datetime) -> None:
    contest = _("You can contest this until %(day)s: appeal at %(door)s with the subject %(subject)s.") % {
        "door": notices.APPEAL_DOOR,
        "day": decision.answer_until.date().isoformat(),
        "subject": decision.subject,
    }
    notices.send_notice(
        expert=decision.expert,
        kind="decision.made",
        subject=decision.public_id,
        title=_("A decision about %(subject)s: %(act)s")
        % {
            "subject": decision.subject,
            "act": decision.act.replace("_", " "),
        },
        body=f"{decision.explanation}\n\n{contest}",
        link=f"/api/v1/expert/decisions/{decision.public_id}",
        now=now,
    )
