"""The one way an expert hears of an act on his pay: what it is about, why, and how to contest it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any

from django.utils.translation import gettext as _

from core.public import User
from experts import public as experts
from experts.public import Expert


@dataclass(frozen=True, slots=True, kw_only=True)
class PayNews:
    """One message: ``subject`` is the public id of the act, and what an appeal against it names.

    ``until`` is the last day of an appeal, where there is one.
    """

    expert: Expert
    kind: str
    subject: str
    title: str
    body: str
    link: str = ""
    until: dt.date | None = None


def tell(news: PayNews, *, now: dt.datetime) -> None:
    """Send one message with the way to contest."""
    tell_all([news], now=now)


def tell_all(news: list[PayNews], *, now: dt.datetime) -> None:
    """Send many at once, each with the way to contest."""
    experts.send_notices(
        notices=[
            experts.Notice(
                expert=item.expert,
                kind=item.kind,
                subject=item.subject,
                title=item.title[:200],
                body=f"{item.body}\n\n{how_to_contest(item.subject, until=item.until)}",
                link=item.link or f"/api/v1/expert/earnings/{item.subject}/explain",
                sent_at=now,
            )
            for item in news
        ],
        now=now,
    )


def tell_decision(
    news: PayNews,
    *,
    act: str,
    reason_code: str,
    explanation: str,
    evidence: dict[str, Any],
    decided_by: User,
    now: dt.datetime,
    tenant_id: int | None = None,
) -> None:
    """Keep the Decision of a named person that costs the expert money, and send the one message about it."""
    decision = experts.record_decision(
        expert=news.expert,
        act=act,
        subject=news.subject,
        reason_code=reason_code,
        explanation=explanation,
        evidence=evidence,
        decided_by=decided_by,
        now=now,
        tenant_id=tenant_id,
        notify=False,
    )
    tell(replace(news, until=decision.answer_until.date()), now=now)


def how_to_contest(subject: str, *, until: dt.date | None = None) -> str:
    """The sentence that every such message ends with."""
    if until is not None:
        return _("You can contest this until %(day)s: appeal at %(door)s with the subject %(subject)s.") % {
            "door": experts.APPEAL_DOOR,
            "day": until.isoformat(),
            "subject": subject,
        }
    return _("You can contest this: appeal at %(door)s with the subject %(subject)s.") % {
        "door": experts.APPEAL_DOOR,
        "subject": subject,
    }
