"""Telling experts what happened."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

from core import outbox
from core.public import Event
from experts.models import Expert, Notice

APPEAL_DOOR: Final = "/api/v1/expert/appeals"
"""Where everything is contested."""


def send_notice(
    *, expert: Expert, kind: str, title: str, now: dt.datetime, subject: str = "", body: str = "", link: str = ""
) -> Notice:
    """Put one message into the expert's list. ``kind`` reads like an event ("credential.verified")."""
    notice = Notice(expert=expert, kind=kind, subject=subject, title=title[:200], body=body, link=link, sent_at=now)
    send_notices(notices=[notice], now=now)
    return notice


def send_notices(*, notices: Sequence[Notice], now: dt.datetime) -> None:
    """Put many unsaved messages into their experts' lists, in few statements; their experts are joined."""
    Notice.objects.bulk_create(notices)
    outbox.publish_all(
        [
            Event(
                name="notice.sent",
                subject=notice.public_id,
                user_id=notice.expert.user_id,
                for_lab=False,
                occurred_at=now,
            )
            for notice in notices
        ]
    )


def mark_read(*, notice: Notice, now: dt.datetime) -> Notice:
    """Note when it was first read; reading again changes nothing."""
    Notice.objects.filter(pk=notice.pk, read_at=None).update(read_at=now)
    notice.refresh_from_db()
    return notice
