"""Becoming an expert, and what he says about himself."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _

from core import outbox
from core.problems import Conflict, DomainError, FieldError
from core.public import User
from experts.models import Availability, Credential, Domain, Expert, ExpertDomain, IdentityVerification
from experts.operations import tiers

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

PROFILE, AVAILABILITY = "/api/v1/expert/", "/api/v1/expert/availability"
EDITABLE = ("legal_name", "headline", "country", "zone", "languages", "years")


class UnknownDomain(DomainError):
    """A domain is not in the taxonomy, or is named twice; `/expert/domains` lists all codes."""

    code = "unknown_domain"
    status = 400
    title = _("There is no such domain")


class LegalNameLocked(Conflict):
    """Your identity was verified under this legal name, so it cannot be edited any more.

    Submit an identity document with the new name; once it is verified the profile takes the name over.
    """

    code = "legal_name_locked"
    title = _("The legal name was verified")


@dataclass(frozen=True, slots=True)
class SkillClaim:
    """An expert's own word about one domain, named by its code."""

    domain: str
    level: int
    years: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Something a profile lacks, and where to do something about it."""

    code: str
    text: StrOrPromise
    href: str


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


def availability_of(*, expert: Expert) -> Availability:
    """The hours he offers; nothing said is no hours."""
    return Availability.objects.filter(expert=expert).first() or Availability(expert=expert)


def set_availability(*, expert: Expert, changes: dict[str, Any]) -> Availability:
    """Change weekly hours, the daily cap, or whether offers are welcome."""
    Availability.objects.get_or_create(expert=expert)
    availability = Availability.objects.select_for_update(no_key=True, of=("self",)).get(expert=expert)
    for name, value in changes.items():
        setattr(availability, name, value)
    availability.save(update_fields=list(changes))
    return availability


def gaps(*, expert: Expert) -> list[Gap]:
    """What the expert should still do before labs can find and pay him."""
    wanted = (
        (bool(expert.legal_name), "legal_name_missing", _("Add your legal name."), PROFILE),
        (bool(expert.country), "country_missing", _("Say in which country you work."), PROFILE),
        (bool(expert.languages), "languages_missing", _("List the languages you work in."), PROFILE),
        (
            ExpertDomain.objects.filter(expert=expert).exists(),
            "domains_missing",
            _("Choose the domains you know."),
            PROFILE,
        ),
        (
            availability_of(expert=expert).weekly_seconds > 0,
            "availability_missing",
            _("Say how many hours a week you offer."),
            AVAILABILITY,
        ),
        (
            Credential.objects.filter(expert=expert).exists(),
            "credential_missing",
            _("Hand in a credential, so that your level counts."),
            "/api/v1/expert/credentials",
        ),
        (
            IdentityVerification.objects.filter(expert=expert).exclude(status="rejected").exists(),
            "identity_missing",
            _("Hand in an identity document."),
            "/api/v1/expert/identity",
        ),
    )
    return [Gap(code, text, href) for done, code, text, href in wanted if not done]


def _replace_claims(expert: Expert, claims: Sequence[SkillClaim]) -> None:
    """Rows that stay the same are left alone, so that the history shows only what changed."""
    wanted = _by_domain(claims)
    standing = {row.domain_id: row for row in ExpertDomain.objects.filter(expert=expert)}
    ExpertDomain.objects.filter(expert=expert).exclude(domain_id__in=wanted).delete()
    for domain_id, claim in wanted.items():
        row = standing.get(domain_id) or ExpertDomain(expert=expert, domain_id=domain_id)
        if row.pk is None or (row.level, row.years) != (claim.level, claim.years):
            row.level, row.years = claim.level, claim.years
            row.save()


def _by_domain(claims: Sequence[SkillClaim]) -> dict[int, SkillClaim]:
    """Claims by the key of their domain. Raises UnknownDomain, with a pointer to each wrong one."""
    keys = dict(Domain.objects.filter(code__in=[claim.domain for claim in claims]).values_list("code", "pk"))
    found: dict[int, SkillClaim] = {}
    errors = []
    for index, claim in enumerate(claims):
        key = keys.get(claim.domain)
        if key is None or key in found:
            text = _("There is no such domain.") if key is None else _("This domain is named twice.")
            errors.append(FieldError(f"/domains/{index}/domain", "unknown_domain", text))
        else:
            found[key] = claim
    if errors:
        raise UnknownDomain(errors=errors)
    return found


def _has_verified_identity(expert: Expert) -> bool:
    return IdentityVerification.objects.filter(expert=expert, status=IdentityVerification.Status.VERIFIED).exists()
