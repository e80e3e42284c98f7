"""Becoming an expert, and what he says about himself."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from core import outbox
from core.problems import Conflict
from core.public import User
from experts.models import Availability, Domain, Expert, ExpertDomain, IdentityVerification
from experts.operations import tiers

EDITABLE = ("legal_name", "headline", "country", "zone", "languages", "years")


class LegalNameLocked(Conflict):
    """Your identity was verified under this legal name, so it cannot be edited any more.

    Submit an identity document with the new name; once it is verified the profile takes the name over.
    """

    code = "legal_name_locked"
    title = _("The legal name was verified")


@dataclass(frozen=True, slots=True)
class SkillClaim:
    """An expert's own word about one domain."""

    domain: Domain
    level: int
    years: int


def become_expert(*, user: User, now: dt.datetime) -> Expert:
    """Give a signed-up user his profile; who has one keeps it."""
    expert, created = Expert.objects.get_or_create(user=user, defaults={"legal_name": user.name})
    if created:
        Availability.objects.create(expert=expert)
        outbox.publish("expert.joined", subject=expert.public_id, user_id=user.pk, for_lab=False, now=now)
    return expert


def edit(
    *, expert: Expert, changes: dict[str, Any], now: dt.datetime, claims: Sequence[SkillClaim] | None = None
) -> Expert:
    """Change the named fields; ``claims`` replaces all domains. Raises LegalNameLocked."""
    locked = Expert.objects.select_for_update(no_key=True, of=("self",)).get(pk=expert.pk)
    changed = [name for name in EDITABLE if name in changes and changes[name] != getattr(locked, name)]
    if "legal_name" in changed and _has_verified_identity(locked):
        raise LegalNameLocked
    for name in changed:
        setattr(locked, name, changes[name])
    if changed:
        locked.save(update_fields=changed)
    if claims is not None:
        _replace_claims(locked, claims)
        return tiers.recompute(expert=locked, now=now)
    return locked


def set_availability(*, expert: Expert, changes: dict[str, Any]) -> Availability:
    """Change weekly hours, the daily cap, or whether offers are welcome."""
    Availability.objects.get_or_create(expert=expert)
    availability = Availability.objects.select_for_update(no_key=True, of=("self",)).get(expert=expert)
    for name, value in changes.items():
        setattr(availability, name, value)
    availability.save(update_fields=list(changes))
    return availability


def _replace_claims(expert: Expert, claims: Sequence[SkillClaim]) -> None:
    """Rows that stay the same are left alone, so that the history shows only what changed."""
    wanted = {claim.domain.pk: claim for claim in claims}
    standing = {row.domain_id: row for row in ExpertDomain.objects.filter(expert=expert)}
    ExpertDomain.objects.filter(expert=expert).exclude(domain_id__in=wanted).delete()
    for domain_id, claim in wanted.items():
        row = standing.get(domain_id) or ExpertDomain(expert=expert, domain_id=domain_id)
        if row.pk is None or (row.level, row.years) != (claim.level, claim.years):
            row.level, row.years = claim.level, claim.years
            row.save()


def _has_verified_identity(expert: Expert) -> bool:
    return IdentityVerification.objects.filter(expert=expert, status=IdentityVerification.Status.VERIFIED).exists()
