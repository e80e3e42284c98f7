"""Keeping the tier in step with what is verified, unless a person set it."""

from __future__ import annotations

import datetime as dt

from django.utils.translation import gettext as _

from core import outbox
from core.public import User
from experts.errors import require_other, require_reason
from experts.models import Credential, Expert, SkillFacts
from experts.operations import notices
from experts.tiers import Claim, Lack, Proof, Verdict, tier_of


def verdict_for(expert: Expert) -> Verdict:
    """What the rule says today."""
    proofs = Credential.objects.filter(expert=expert).counting().values_list("kind", "award")
    claims = SkillFacts.objects.filter(expert=expert).values_list("level", "years", "proven")
    return tier_of((Proof(*proof) for proof in proofs), (Claim(*claim) for claim in claims))


def reason_of(verdict: Verdict) -> str:
    """Why the rule gives this tier, in words."""
    if not verdict.proofs:
        return _("No verified credential yet.")
    return _("Verified credentials: %(proofs)s; highest counted as: %(degree)s.") % {
        "proofs": verdict.proofs,
        "degree": verdict.degree,
    }


def missing_of(verdict: Verdict) -> list[str]:
    """What the next tier asks for, in words."""
    return [_in_words(lack) for lack in verdict.missing]


def _in_words(lack: Lack) -> str:
    texts = {
        "proofs": _("Verified credentials: %(needed)s needed, %(has)s there."),
        "degree": _("Verified degree, or what stands for it: %(needed)s needed, %(has)s there."),
        "level": _("Level in a proven domain: %(needed)s needed, %(has)s there."),
        "years": _("Years in a proven domain: %(needed)s needed, %(has)s there."),
    }
    return texts[lack.demand] % {"needed": lack.needed, "has": lack.has}


def recompute(*, expert: Expert, now: dt.datetime) -> Expert:
    """Apply the rule; a tier set by a person stays until he gives it back to the rule."""
    locked = _lock(expert)
    if locked.tier_source == Expert.TierSource.ADMIN:
        return locked
    verdict = verdict_for(locked)
    return _set(locked, verdict.tier, Expert.TierSource.RULE, reason_of(verdict), now=now)


def override(*, expert: Expert, tier: str, reason: str, by: User, now: dt.datetime) -> Expert:
    """A person sets the tier, with a reason that the expert reads. Raises OwnWork, ReasonMissing."""
    require_other(expert, by)
    return _set(_lock(expert), tier, Expert.TierSource.ADMIN, require_reason(reason), now=now)


def return_to_rule(*, expert: Expert, by: User, now: dt.datetime) -> Expert:
    """Take a person's tier back: from now on the rule decides again."""
    require_other(expert, by)
    locked = _lock(expert)
    verdict = verdict_for(locked)
    return _set(locked, verdict.tier, Expert.TierSource.RULE, reason_of(verdict), now=now)


def _lock(expert: Expert) -> Expert:
    return Expert.objects.select_for_update(no_key=True, of=("self",)).get(pk=expert.pk)


def _set(expert: Expert, tier: str, source: str, reason: str, *, now: dt.datetime) -> Expert:
    before = expert.tier
    if (before, expert.tier_source, expert.tier_reason) == (tier, source, reason):
        return expert
    expert.tier, expert.tier_source, expert.tier_reason = tier, source, reason
    expert.save(update_fields=["tier", "tier_source", "tier_reason"])
    if before != tier:
        notices.send_notice(
            expert=expert,
            kind="tier.changed",
            subject=expert.public_id,
            title=_("Your tier is now: %(tier)s") % {"tier": expert.get_tier_display()},
            body=reason,
            link="/api/v1/expert/",
            now=now,
        )
        outbox.publish(
            "expert.tier_changed",
            subject=expert.public_id,
            user_id=expert.user_id,
            for_lab=False,
            payload={"tier": tier},
            now=now,
        )
    return expert
