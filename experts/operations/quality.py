"""What floors above write down about an expert's work."""

from __future__ import annotations

import datetime as dt

from core import outbox
from experts.models import Expert, Qualification, QualityScore


def record_quality(
    *, expert_id: int, domain_id: int, score_ppm: int, observations: int, now: dt.datetime
) -> QualityScore:
    """Set the aggregate over all labs: a mean in parts per million, and from how many observations."""
    score, _created = QualityScore.objects.update_or_create(
        expert_id=expert_id,
        domain_id=domain_id,
        defaults={"score_ppm": score_ppm, "observations": observations, "updated_at": now},
    )
    return score


def grant_qualification(
    *,
    expert: Expert,
    code: str,
    now: dt.datetime,
    score_ppm: int | None = None,
    source: str = "",
    expires_at: dt.datetime | None = None,
) -> Qualification:
    """Grant ``code``, or renew it; the history keeps the former grant."""
    qualification, _created = Qualification.objects.update_or_create(
        expert=expert,
        code=code,
        defaults={"score_ppm": score_ppm, "source": source, "granted_at": now, "expires_at": expires_at},
    )
    outbox.publish(
        "qualification.granted",
        subject=qualification.public_id,
        user_id=expert.user_id,
        for_lab=False,
        payload={"code": code},
        now=now,
    )
    return qualification
