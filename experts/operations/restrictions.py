"""Limiting an expert for a while, always with a decision."""

from __future__ import annotations

import datetime as dt

from django.utils.translation import gettext as _

from core.public import User
from experts.errors import require_other, require_reason
from experts.models import Expert, Restriction
from experts.operations import decisions, notices


def impose(
    *,
    expert: Expert,
    kind: str,
    reason: str,
    by: User,
    now: dt.datetime,
    reason_code: str = "policy",
    subject: str = "",
    tenant_id: int | None = None,
    ends_at: dt.datetime | None = None,
) -> Restriction:
    """Restrict an expert from now on; the decision names the restriction, so that an appeal can lift it."""
    require_other(expert, by)
    restriction = Restriction(
        expert=expert,
        tenant_id=tenant_id,
        kind=kind,
        subject=subject,
        reason=require_reason(reason),
        starts_at=now,
        ends_at=ends_at,
    )
    restriction.decision = decisions.record_decision(
        expert=expert,
        act="impose_restriction",
        subject=restriction.public_id,
        reason_code=reason_code,
        explanation=reason,
        evidence={"kind": kind, "because_of": subject},
        decided_by=by,
        tenant_id=tenant_id,
        now=now,
    )
    restriction.save()
    return restriction


def lift(*, restriction: Restriction, now: dt.datetime, by: User | None = None) -> Restriction:
    """End a restriction now; one that is over already stays as it was. ``by`` is None after a won appeal."""
    if by is not None:
        require_other(restriction.expert, by)
    ended = Restriction.objects.filter(pk=restriction.pk).exclude(ends_at__lte=now).update(ends_at=now)
    restriction.refresh_from_db()
    if ended:
        notices.send_notice(
            expert=restriction.expert,
            kind="restriction.lifted",
            subject=restriction.public_id,
            title=_("Lifted: %(kind)s") % {"kind": restriction.get_kind_display()},
            now=now,
        )
    return restriction
