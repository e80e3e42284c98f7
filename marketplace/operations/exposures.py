"""The wall in people, for those who judge work at the desk: nobody sees two rivals' work within a cooling-off."""

from __future__ import annotations

import datetime as dt

from django.utils.translation import gettext_lazy

from core.problems import DomainError
from core.public import Tenant, User
from experts.public import expert_for_user
from marketplace import rivals


class RivalSeen(DomainError):
    """You have seen work of a lab that competes with this one, and the cooling-off period is not over.

    Somebody else has to judge it.
    """

    code = "rival_seen"
    status = 403
    title = gettext_lazy("Somebody else has to judge this lab's work")


def see_work(*, user: User, tenant_id: int, subject: str, now: dt.datetime) -> None:
    """Note that ``user`` judges a lab's work (``subject``), as whoever judges a rival's later is asked. Raises RivalSeen.

    In a sandbox nothing is real, so there is nothing to keep from anybody.
    """
    if Tenant.objects.sandboxes_among({tenant_id}):
        return
    expert = expert_for_user(user.pk)
    walled = rivals.walled_tenants(expert_id=expert.pk if expert else None, user_id=user.pk, now=now)
    if tenant_id in walled:
        raise RivalSeen
    rivals.expose_reviewer(user_id=user.pk, tenant_id=tenant_id, subject=subject, now=now)
