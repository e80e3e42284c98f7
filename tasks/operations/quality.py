"""What the work of all labs says about an expert in a domain, written down to the experts' floor."""

from __future__ import annotations

import datetime as dt
from typing import Final

from django.db.models import Avg, Case, Count, F, FloatField, Q, When

from experts.public import record_quality
from tasks.models import Review, Submission

MILLION: Final = 1_000_000


def recompute(*, submission: Submission, now: dt.datetime) -> None:
    """Set the mean over all reviewed and all gold work of the author in the submission's domain, whatever the lab.

    Accepted at once counts 1, sent back ½, rejected 0 (1 where the rejection was overturned); gold counts as far as it
    agreed. What is played in sandboxes does not count: there a lab's own people would praise one another. Reads across
    tenants, so it belongs into a unit of work of the platform.
    """
    requirement = submission.claim.contract.opening.requirement
    mine = Q(
        expert_id=submission.expert_id,
        claim__contract__opening__requirement__domain=requirement.domain_id,
        tenant__live=None,
    )
    reviewed = Submission.objects.filter(mine, reviews__isnull=False).annotate(
        worth=Case(
            When(status=Submission.Status.REJECTED, then=0.0),
            When(reviews__outcome=Review.Outcome.REJECT, then=1.0),
            When(reviews__outcome=Review.Outcome.REQUEST_REWORK, then=0.5),
            default=1.0,
            output_field=FloatField(),
        )
    )
    told = reviewed.aggregate(mean=Avg("worth"), count=Count("pk"))
    gold = Submission.objects.filter(mine, gold_ppm__isnull=False).aggregate(
        mean=Avg(F("gold_ppm") / float(MILLION), output_field=FloatField()), count=Count("pk")
    )
    count = told["count"] + gold["count"]
    if count:
        total = (told["mean"] or 0.0) * told["count"] + (gold["mean"] or 0.0) * gold["count"]
        record_quality(
            expert_id=submission.expert_id,
            domain_id=requirement.domain_id,
            score_ppm=round(MILLION * total / count),
            observations=count,
            now=now,
        )
