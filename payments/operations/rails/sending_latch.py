"""The latch before the providers: closed by hand, or by itself when this is not the database that sent last."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from typing import Final

import structlog
from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import outbox
from core.problems import Conflict
from payments.models import PayoutAttempt, SendingLatch

ITSELF: Final = "latch"
_OURS: Final = re.compile(r"pay_[0-9a-z]{26}-\d+", re.ASCII)
# The file of the write-ahead log begins with the timeline, at once after a promotion (the control file comes later).
_NAME: Final = """
    SELECT concat_ws(':', (SELECT system_identifier FROM pg_control_system()),
        left(pg_walfile_name(pg_current_wal_lsn()), 8), (SELECT oid FROM pg_database WHERE datname = current_database()))
"""
log = structlog.get_logger(__name__)


class NotReconciled(Conflict):
    """A provider executed payouts that this database has never heard of: it is older than the money.

    `unknown` lists some of their keys. Write them into the ledger's payouts first, or enable sending in spite of them.
    """

    code = "payouts_not_reconciled"
    title = gettext_lazy("Payouts are not reconciled")
    example_members = {"unknown": ["pay_01k9w3v6z8f2qr5t4h7xnm0ceg-1"]}  # as in every problem


def is_open(*, now: dt.datetime) -> bool:
    """Whether payouts may be sent from this database; falls when it is another one than was told to."""
    latch, name = _latch(now=now), database_name()
    if latch.is_open and latch.database != name:
        reason = _("This database was restored, promoted or copied: reconcile with the providers first.")
        log.error("sending_disabled", was=latch.database, found=name)
        latch = close(reason=reason, by=ITSELF, now=now)
    return latch.is_open


def close(*, reason: str, by: str, now: dt.datetime) -> SendingLatch:
    """Send nothing until somebody opens it; what was given to a provider is followed as ever."""
    latch = _latch(now=now)
    latch.is_open, latch.reason, latch.changed_by, latch.changed_at = False, reason[:300], by[:80], now
    latch.save()
    outbox.publish("payouts.disabled", subject=str(latch.pk), for_lab=False, actor=by, now=now)
    return latch


def open_again(*, keys: Iterable[str], reason: str, by: str, now: dt.datetime, despite: bool = False) -> SendingLatch:
    """Let this database send from now on. ``keys`` are those of the providers' latest movements.

    Raises NotReconciled when some are unknown here, unless ``despite``.
    """
    unknown = strangers(keys)
    if unknown and not despite:
        raise NotReconciled(unknown=unknown[:20])
    latch = _latch(now=now)
    latch.is_open, latch.database = True, database_name()
    latch.reason, latch.changed_by, latch.changed_at = reason[:300], by[:80], now
    latch.save()
    outbox.publish("payouts.enabled", subject=str(latch.pk), for_lab=False, actor=by, now=now)
    return latch


def strangers(keys: Iterable[str]) -> list[str]:
    """Keys of our own making that no attempt here has: a database that lost its latest hours does not know them."""
    ours = {key for key in keys if _OURS.fullmatch(key)}
    return sorted(ours - set(PayoutAttempt.objects.filter(idem_key__in=ours).values_list("idem_key", flat=True)))


def fall_before_strangers(keys: Iterable[str], *, now: dt.datetime) -> None:
    """Close when a provider executed something that this database does not know."""
    unknown = strangers(keys)
    if unknown and _latch(now=now).is_open:
        log.error("sending_disabled", unknown=unknown[:20])
        reason = _("A provider knows %(n)s payouts that are not here, such as %(key)s.")
        close(reason=reason % {"n": len(unknown), "key": unknown[0]}, by=ITSELF, now=now)


def database_name() -> str:
    """Cluster, timeline and number of the database: what a restore, a promotion or a copy changes."""
    with connection.cursor() as cursor:
        cursor.execute(_NAME)
        return str(cursor.fetchone()[0])


def _latch(*, now: dt.datetime) -> SendingLatch:
    fresh = {"database": database_name(), "changed_by": ITSELF, "changed_at": now}
    return SendingLatch.objects.get_or_create(pk=1, defaults=fresh)[0]
