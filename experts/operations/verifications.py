"""What credentials and identity checks share: a verifier's word, with a reason, and never about himself."""

from __future__ import annotations

import datetime as dt
from typing import TypeVar

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import outbox, states
from core.problems import Conflict, InvalidTransition
from core.public import User
from experts.errors import require_other, require_reason
from experts.models import Credential, Document, IdentityVerification, VerificationStatus
from experts.operations import decisions, notices, tiers

Verifiable = TypeVar("Verifiable", Credential, IdentityVerification)
NOUNS: dict[type[Credential | IdentityVerification], str] = {Credential: "credential", IdentityVerification: "identity"}
# From here the table leads back to verified, but only an appeal goes that way.
BROUGHT_BACK_BY_APPEAL = (VerificationStatus.REJECTED, VerificationStatus.REVOKED)
_FIELDS = ["status", "reason", "decided_by", "decided_at"]


class DocumentNotClean(Conflict):
    """The uploaded file is still in quarantine or was found harmful: nobody verifies what nobody may open."""

    code = "document_not_clean"
    title = gettext_lazy("The file has not passed the scanner")


def verify(*, claim: Verifiable, reason: str, by: User, now: dt.datetime) -> Verifiable:
    """Confirm a pending claim; the tier follows. Raises OwnWork, ReasonMissing, DocumentNotClean, InvalidTransition."""
    locked = _lock(claim)
    require_other(locked.expert, by)
    if locked.status in BROUGHT_BACK_BY_APPEAL:
        raise InvalidTransition(current_state=locked.status, allowed_transitions=[])
    if locked.document is not None and locked.document.status != Document.Status.CLEAN:
        raise DocumentNotClean
    _decide(locked, VerificationStatus.VERIFIED, reason=reason, by=by, now=now)
    _take_over(locked)
    announce(locked, now=now)
    return locked


def refuse(*, claim: Verifiable, to: str, reason_code: str, reason: str, by: User, now: dt.datetime) -> Verifiable:
    """Reject a pending claim or revoke a verified one: a Decision, which the expert can contest."""
    locked = _lock(claim)
    require_other(locked.expert, by)
    _decide(locked, to, reason=reason, by=by, now=now)
    noun = NOUNS[type(locked)]
    decisions.record_decision(
        expert=locked.expert,
        act=f"{'reject' if to == VerificationStatus.REJECTED else 'revoke'}_{noun}",
        subject=locked.public_id,
        reason_code=reason_code,
        explanation=reason,
        evidence={"document_sha256": None if locked.document is None else locked.document.sha256},
        decided_by=by,
        now=now,
    )
    _publish(locked, now=now)
    tiers.recompute(expert=locked.expert, now=now)
    return locked


def reinstate(*, claim: Verifiable, by_clock: bool, now: dt.datetime) -> Verifiable:
    """Apply a won appeal: verified when a person decided it, back into the queue when the clock did."""
    locked = _lock(claim)
    to = VerificationStatus.PENDING if by_clock else VerificationStatus.VERIFIED
    if not states.can_move(locked, to) or (by_clock and _is_replaced(locked)):
        return locked
    states.move(locked, to)
    locked.save(update_fields=["status"])
    if not by_clock:
        _take_over(locked)
    announce(locked, now=now)
    return locked


def let_in(claim: Credential | IdentityVerification) -> None:
    """The document is clean, or there is none: a person may look at the claim now. Saves."""
    if states.can_move(claim, VerificationStatus.PENDING):
        states.move(claim, VerificationStatus.PENDING)
        claim.save(update_fields=["status"])


def turn_away(claim: Credential | IdentityVerification, *, reason: str, now: dt.datetime) -> None:
    """The document is harmful: the claim ends without anybody opening it. Saves."""
    states.move(claim, VerificationStatus.REJECTED)
    claim.reason, claim.decided_at = reason, now
    claim.save(update_fields=["status", "reason", "decided_at"])
    announce(claim, now=now)


def expire(*, claim: Credential | IdentityVerification, now: dt.datetime) -> None:
    """The last valid day has passed."""
    states.move(claim, VerificationStatus.EXPIRED)
    claim.save(update_fields=["status"])
    announce(claim, now=now)


def announce(claim: Credential | IdentityVerification, *, now: dt.datetime) -> None:
    """Tell the expert and the world what became of a claim, and let the tier follow."""
    noun = NOUNS[type(claim)]
    notices.send_notice(
        expert=claim.expert,
        kind=f"{noun}.{claim.status}",
        subject=claim.public_id,
        title=_("%(claim)s: %(status)s") % {"claim": claim, "status": claim.get_status_display()},
        body=claim.reason,
        link=f"/api/v1/expert/{'credentials' if noun == 'credential' else 'identity'}/{claim.public_id}",
        now=now,
    )
    _publish(claim, now=now)
    tiers.recompute(expert=claim.expert, now=now)


def _publish(claim: Credential | IdentityVerification, *, now: dt.datetime) -> None:
    outbox.publish(
        f"{NOUNS[type(claim)]}.{claim.status}",
        subject=claim.public_id,
        user_id=claim.expert.user_id,
        for_lab=False,
        now=now,
    )


def _decide(claim: Credential | IdentityVerification, to: str, *, reason: str, by: User, now: dt.datetime) -> None:
    states.move(claim, to)
    claim.reason, claim.decided_by, claim.decided_at = require_reason(reason), by, now
    claim.save(update_fields=_FIELDS)


def _take_over(claim: Credential | IdentityVerification) -> None:
    """A verified identity fixes the legal name."""
    if isinstance(claim, IdentityVerification) and claim.expert.legal_name != claim.legal_name:
        claim.expert.legal_name = claim.legal_name
        claim.expert.save(update_fields=["legal_name"])


def _is_replaced(claim: Credential | IdentityVerification) -> bool:
    """The expert has another identity document waiting already; only one can."""
    open_states = (VerificationStatus.UNVERIFIED, VerificationStatus.PENDING)
    others = IdentityVerification.objects.filter(expert=claim.expert, status__in=open_states)
    return isinstance(claim, IdentityVerification) and others.exists()


def _lock(claim: Verifiable) -> Verifiable:
    rows = type(claim)._default_manager.select_for_update(no_key=True, of=("self",))
    return rows.select_related("expert", "document").get(pk=claim.pk)
