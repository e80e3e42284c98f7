"""The one way an expert hears of an act on his pay: what it is about, why, and how to contest it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.utils.translation import gettext as _

from experts import public as experts
from experts.public import Expert


@dataclass(frozen=True, slots=True, kw_only=True)
class PayNews:
    """One message: ``subject`` is the public id of the act, and what an appeal against it names."""

    expert: Expert
    kind: str
    subject: str
    title: str
    body: str
    link: str = ""


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
                body=f"{item.body}\n\n{how_to_contest(item.subject)}",
                link=item.link or f"/api/v1/expert/earnings/{item.subject}/explain",
                sent_at=now,
            )
            for item in news
        ],
        now=now,
    )


def how_to_contest(subject: str) -> str:
    """The sentence that every such message ends with."""
    return _("You can contest this: appeal at %(door)s with the subject %(subject)s.") % {
        "door": experts.APPEAL_DOOR,
        "subject": subject,
    }
