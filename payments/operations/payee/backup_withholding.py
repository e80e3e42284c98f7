"""Backup withholding: begun for a named cause, ended by a person; while it is in force every payout keeps tax back."""

from __future__ import annotations

import datetime as dt

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import states
from core.problems import Conflict, map_constraint
from core.public import User
from experts.ports import Contestable
from experts.public import Appeal, Expert, record_decision, require_other, send_notice
from payments import tax
from payments.models import BackupWithholding, TaxProfile

ACT = "pay.backup_withholding"
PREFIX = "wth"
WON = frozenset({Appeal.Status.OVERTURNED, Appeal.Status.RESOLVED_BY_TIMEOUT})


class NotSubject(Conflict):
    """Backup withholding is for US persons: a W-9, or papers of a former release that name the United States."""

    code = "not_subject_to_backup_withholding"
    title = gettext_lazy("Backup withholding does not apply here")


class AlreadyWithheld(Conflict):
    """Tax is withheld from this person already: end that first, so that each spell has one cause."""

    code = "already_withheld"
    title = gettext_lazy("Tax is withheld already")


map_constraint("payments_withholding_one_in_force", AlreadyWithheld)


def start(*, expert: Expert, cause: str, reason: str, by: User, now: dt.datetime) -> BackupWithholding:
    """Keep tax back from all payouts calculated from now on. A Decision: the expert may contest it.

    Raises OwnWork, ReasonMissing, NotSubject, AlreadyWithheld.
    """
    profile = _locked(expert)
    if profile is None or profile.country != tax.UNITED_STATES:
        raise NotSubject
    spell = _begin(profile, cause=cause, reason=reason, by=by, now=now)
    record_decision(
        expert=expert,
        act=ACT,
        subject=spell.public_id,
        reason_code=cause,
        explanation=reason,
        evidence={"rate_bp": spell.rate_bp},
        decided_by=by,
        now=now,
    )
    return spell


def end(*, spell: BackupWithholding, reason: str, by: User | None, now: dt.datetime) -> BackupWithholding:
    """Stop keeping tax back; what was withheld was paid on to the tax authority and is credited there.

    ``by`` is None when an appeal was won by silence. Raises OwnWork, InvalidTransition.
    """
    profile = _locked(spell.expert)
    spell = (
        BackupWithholding.objects.select_for_update(no_key=True, of=("self",)).select_related("expert").get(pk=spell.pk)
    )
    if by is not None:
        require_other(spell.expert, by)
    _end(spell, profile, reason=reason, by=by, now=now)
    return spell


def declared(*, profile: TaxProfile, applies: bool, now: dt.datetime) -> None:
    """Follow what a US person declared about himself on the W-9; spells that finance began are left alone."""
    spell = BackupWithholding.objects.in_force().filter(expert=profile.expert_id).select_related("expert").first()
    cause = BackupWithholding.Cause.SELF_DECLARED
    if applies and profile.form == TaxProfile.Form.W9:
        if spell is None:
            _begin(profile, cause=cause, reason=_("Declared on the W-9."), by=None, now=now)
    elif spell is not None and spell.cause == cause:
        _end(spell, profile, reason=_("No longer declared."), by=None, now=now)


def find(*, subject: str, expert_id: int) -> Contestable | None:
    """The spell with this id when it is this expert's and somebody decided it."""
    spell = BackupWithholding.objects.filter(public_id=subject, expert=expert_id).first()
    return None if spell is None else Contestable(None, spell.started_by_id)


def apply_outcome(*, subject: str, outcome: str, decided_by: User | None, now: dt.datetime) -> None:
    """End a spell whose appeal was won; running it again changes nothing."""
    if outcome not in WON:
        return
    spell = BackupWithholding.objects.in_force().filter(public_id=subject).select_related("expert").first()
    if spell is not None:
        end(spell=spell, reason=_("The appeal was won."), by=decided_by, now=now)


def _locked(expert: Expert) -> TaxProfile | None:
    rows = TaxProfile.objects.select_for_update(no_key=True, of=("self",)).select_related("expert")
    return rows.filter(expert=expert).first()


def _begin(profile: TaxProfile, *, cause: str, reason: str, by: User | None, now: dt.datetime) -> BackupWithholding:
    if BackupWithholding.objects.in_force().filter(expert=profile.expert_id).exists():
        raise AlreadyWithheld
    spell = BackupWithholding.objects.create(
        expert=profile.expert,
        cause=cause,
        rate_bp=tax.backup_rate(now.date()),
        reason=reason[:300],
        started_at=now,
        started_by=by,
    )
    profile.withholding_bp = spell.rate_bp
    profile.save(update_fields=["withholding_bp"])
    return spell


def _end(
    spell: BackupWithholding, profile: TaxProfile | None, *, reason: str, by: User | None, now: dt.datetime
) -> None:
    states.move(spell, BackupWithholding.Status.ENDED)
    spell.ended_at, spell.ended_by, spell.end_reason = now, by, reason[:300]
    spell.save(update_fields=["status", "ended_at", "ended_by", "end_reason"])
    if profile is not None:
        profile.withholding_bp = 0
        profile.save(update_fields=["withholding_bp"])
    send_notice(
        expert=spell.expert,
        kind="backup_withholding.ended",
        subject=spell.public_id,
        title=_("Tax is no longer withheld from your pay"),
        body=reason,
        link="/api/v1/expert/tax-profile",
        now=now,
    )
