"""What waits for whom, for the start page: counted in the caller's own scope.

In development mode everybody is told what waits for every role, so that a newcomer sees where to begin.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from core import ports
from core.desk import Queue, queues
from core.principal import Kind, Principal
from core.public import TenantAccess, unit_of_work
from marketplace.public import Amendment, Offer
from payments.public import Dispute, Timesheet

Text = str | Promise


@dataclass(frozen=True)
class Waits:
    """One line: how much of what, and how to get to it (a link, or the call when there is no page for it)."""

    text: Text
    action: Text
    href: str = ""


@dataclass(frozen=True)
class Source:
    """Something that can wait for a role."""

    role: str
    waiting: Callable[[Principal, dt.datetime], QuerySet[Any]]
    text: Callable[[int], Text]
    action: Text


SOURCES = (
    Source(
        "expert",
        lambda principal, now: Offer.objects.visible_to(principal).filter(
            status=Offer.Status.EXTENDED, expires_at__gt=now
        ),
        lambda n: ngettext_lazy("%(n)d offer to answer", "%(n)d offers to answer", n) % {"n": n},
        "GET /api/v1/expert/offers",
    ),
    Source(
        "expert",
        lambda principal, now: Amendment.objects.visible_to(principal).standing().filter(expires_at__gt=now),
        lambda n: ngettext_lazy("%(n)d change of terms to answer", "%(n)d changes of terms to answer", n) % {"n": n},
        "POST /api/v1/expert/amendments/{id}/accept",
    ),
    Source(
        "expert",
        lambda principal, now: (
            Timesheet.objects.visible_to(principal).with_time().filter(status=Timesheet.Status.OPEN, ends_at__lte=now)
        ),
        lambda n: ngettext_lazy("%(n)d week to submit", "%(n)d weeks to submit", n) % {"n": n},
        "POST /api/v1/expert/timesheets/{id}/submit",
    ),
    Source(
        "expert",
        lambda principal, now: Dispute.objects.visible_to(principal).filter(
            status=Dispute.Status.OPEN, decide_by__gt=now
        ),
        lambda n: ngettext_lazy("%(n)d dispute to answer", "%(n)d disputes to answer", n) % {"n": n},
        "POST /api/v1/expert/disputes/{id}/answer",
    ),
    Source(
        "lab",
        lambda principal, now: Timesheet.objects.visible_to(principal).awaiting().filter(approve_by__gt=now),
        lambda n: ngettext_lazy("%(n)d week of hours to approve", "%(n)d weeks of hours to approve", n) % {"n": n},
        "POST /api/v1/timesheets/{id}/approve",
    ),
)
HOURS = frozenset({"payments.timesheets", "payments.overages", "payments.disputes"})


def waits_for(request: HttpRequest, *, now: dt.datetime) -> dict[str, tuple[Waits, ...]]:
    """Role → what waits, for the person who looks."""
    principal = _principal_of(request)
    if principal is None:
        return {}
    with unit_of_work(principal):
        found: dict[str, list[Waits]] = {}
        for source in SOURCES:
            if (principal.is_platform or source.role == principal.kind) and (
                n := source.waiting(principal, now).count()
            ):
                found.setdefault(source.role, []).append(Waits(source.text(n), source.action))
        if principal.is_platform:
            for queue in queues:
                if settings.DEVELOPMENT or request.user.has_perm(queue.permission):
                    _add_queue(found, queue)
    return {role: tuple(lines) for role, lines in found.items()}


def _add_queue(found: dict[str, list[Waits]], queue: Queue) -> None:
    if n := queue.waiting().count():
        is_money = queue.permission.startswith("payments.") and queue.name not in HOURS
        role = "finance" if is_money else "operations"
        text = format_lazy("{label}: {n}", label=queue.label, n=n)
        found.setdefault(role, []).append(Waits(text, _("Open the queue"), queue.path))


def _principal_of(request: HttpRequest) -> Principal | None:
    """Development mode: the platform's view. Else the caller's own; guests have nothing that waits."""
    user = request.user
    if settings.DEVELOPMENT:
        return Principal.system("config.start_page")
    if isinstance(user, AnonymousUser):
        return None
    label = f"user:{user.public_id}"
    if user.is_staff:
        return Principal(kind=Kind.STAFF, label=label, user_id=user.pk)
    reach = TenantAccess.objects.filter(user=user).values_list("tenant_id", flat=True)
    return Principal(
        kind=Kind.EXPERT,
        label=label,
        user_id=user.pk,
        tenant_ids=tuple(reach),
        subject_id=ports.subjects.get().subject_of(user.pk),
    )
