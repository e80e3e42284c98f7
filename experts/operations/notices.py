"""Telling experts what happened."""

from __future__ import annotations

import datetime as dt

from core import outbox
from experts.models import Expert, Notice


def send_notice(
    *, expert: Expert, kind: str, title: str, now: dt.datetime, subject: str = "", body: str = "", link: str = ""
) -> Notice:
    """Put one message into the expert's list. ``kind`` reads like an event ("credential.verified")."""
    notice = Notice.objects.create(
        expert=expert, kind=kind, subject=subject, title=title[:200], body=body, link=link, sent_at=now
    )
    outbox.publish("notice.sent", subject=notice.public_id, user_id=expert.user_id, for_lab=False, now=now)
    return notice


def mark_read(*, notice: Notice, now: dt.datetime) -> Notice:
    """Note when it was first read; reading again changes nothing."""
    Notice.objects.filter(pk=notice.pk, read_at=None).update(read_at=now)
    notice.refresh_from_db()
    return notice
