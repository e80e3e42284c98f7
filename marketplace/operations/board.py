"""Keep the board that experts browse: one row for each opening that is open, in a live tenant."""

from __future__ import annotations

import datetime as dt
from typing import Any

from marketplace import pay_policy
from marketplace.eligibility import render_requirement
from marketplace.models import Lab, Opening, OpeningListing, Project
from marketplace.operations import rate_cards


def publish(*, opening: Opening, now: dt.datetime) -> None:
    """Put the opening on the board, or bring its row up to date. A sandbox's openings are not real and not listed."""
    if opening.tenant.is_sandbox:
        return
    lab = Lab.objects.get(tenant_id=opening.tenant_id)
    project = opening.project
    requirement = render_requirement(opening.requirement)
    rates = rate_cards.rates_by_band(opening=opening, now=now)
    OpeningListing.objects.update_or_create(
        opening_public_id=opening.public_id,
        create_defaults={"opened_at": now, **_row(opening, project, lab, requirement, rates)},
        defaults=_row(opening, project, lab, requirement, rates),
    )


def remove(*, opening: Opening) -> None:
    """Take the opening off the board."""
    OpeningListing.objects.filter(opening_public_id=opening.public_id).delete()


def refresh_project(*, project: Project, now: dt.datetime) -> None:
    """Bring the rows of a project's open openings up to date."""
    rows = Opening.objects.filter(project=project, status=Opening.Status.OPEN)
    for opening in rows.select_related("tenant", "project", "requirement__domain"):
        publish(opening=opening, now=now)


def _row(opening: Opening, project: Project, lab: Lab, requirement: Any, rates: dict[str, int]) -> dict[str, Any]:
    return {
        "tenant_id": opening.tenant_id,
        "lab_alias": lab.alias,
        "project_alias": project.alias,
        "title": opening.title,
        "description": opening.description,
        "tier": opening.tier,
        "domain": requirement["domain"],
        "requirement": {**requirement, "rate_ceiling_minor": opening.rate_ceiling_minor},
        "currency": project.currency,
        "rates": rates,
        "terms": terms(opening=opening, lab=lab),
    }


def terms(*, opening: Opening, lab: Lab) -> dict[str, Any]:
    """What an offer for this opening will carry besides the rate."""
    policy: pay_policy.PayPolicy = opening.project.pay_policy
    return {
        "weekly_cap_seconds": opening.weekly_cap_seconds,
        "daily_cap_seconds": opening.daily_cap_seconds,
        "pay_policy": policy,
        "approval_window_seconds": lab.approval_window_seconds,
        "holdback_bp": lab.holdback_bp,
        "holdback_days": lab.holdback_days,
        "notice_days": lab.notice_days,
        "ai_assistance": opening.project.ai_assistance,
    }
