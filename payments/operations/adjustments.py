"""Pay beside and after the hours: bonuses, corrections of approved hours, pay taken back. Always with a reason."""

from __future__ import annotations

import datetime as dt

from django.utils.translation import gettext as _

from core import outbox
from core.durations import format_duration
from core.money import Money, fee_for, pay_for
from core.problems import FieldError, InvalidInput
from core.public import Principal, User
from experts import public as experts
from marketplace import public as marketplace
from marketplace.public import Contract
from payments.models import Adjustment, TimeEntry
from payments.operations import hours_lock, own_hours, postings, settlement
from payments.operations.postings import ApprovedTime, Grant


def pay_bonus(
    *, contract: Contract, amount: Money, reason: str, decided_by: User, by: Principal, now: dt.datetime
) -> Adjustment:
    """Pay an expert something on top of his hours, from the lab's prepaid balance, with the contract's fee.

    Raises OwnWork, InvalidInput for another currency than the contract's, InsufficientFunds.
    """
    own_hours.refuse(expert=contract.expert, decided_by=decided_by)
    terms = marketplace.snapshot_at(contract_id=contract.pk, at=now)
    if amount.currency != terms.currency:
        detail = _("The contract pays in %(currency)s.") % {"currency": terms.currency}
        raise InvalidInput(errors=[FieldError("/amount/currency", "wrong_currency", detail)])
    bonus = Adjustment.objects.create(
        tenant_id=contract.tenant_id,
        expert_id=contract.expert_id,
        contract=contract,
        kind=Adjustment.Kind.BONUS,
        status=Adjustment.Status.POSTED,
        amount_minor=amount.minor,
        fee_minor=fee_for(amount.minor, terms.fee_bp),
        currency=amount.currency,
        reason=reason,
        decided_by=decided_by,
        decided_at=now,
        created_at=now,
    )
    postings.bonus_paid(bonus=_grant(bonus), now=now)
    _tell("bonus.paid", bonus, actor=by.label, now=now)
    return bonus


def correct(
    *, entry: TimeEntry, counted: int, reason: str, decided_by: User | None, now: dt.datetime
) -> Adjustment | None:
    """Set how many seconds of an approved entry count. The entry stays as it was approved; the journal is corrected.

    Its posting is reversed exactly and made anew with the corrected amounts. Returns None when nothing changes;
    without ``decided_by`` the clock decided an appeal, in the expert's favour.
    Raises OwnWork, InvalidInput beyond the entry's length.
    """
    hours_lock.take(entry.expert_id)
    settled = _settled(entry.pk)
    if decided_by is not None:
        own_hours.refuse(expert=settled.expert, decided_by=decided_by)
    former = counted_now(settled)
    if not 0 <= counted <= _measured(settled):
        detail = _("The entry lasted %(time)s.") % {"time": format_duration(_measured(settled))}
        raise InvalidInput(detail, errors=[FieldError("/counted", "out_of_range", detail)])
    if counted == former:
        return None
    before, after = _priced(settled, former), _priced(settled, counted)
    correction = _write(
        settled,
        status=Adjustment.Status.POSTED,
        seconds=counted - former,
        amount_minor=after.gross_minor - before.gross_minor,
        fee_minor=after.fee_minor - before.fee_minor,
        reason=reason,
        decided_by=decided_by,
        now=now,
    )
    _post_correction(settled, correction, before=before, after=after, now=now)
    actor = f"user:{decided_by.public_id}" if decided_by else ""
    _tell("adjustment.made", correction, actor=actor, now=now)
    return correction


def record_cut(*, entry: TimeEntry, seconds: int, reason: str, decided_by: User, now: dt.datetime) -> Adjustment:
    """Document hours that a decided dispute cut before they were posted: no money moves beside the entry's own."""
    full = pay_for(entry.seconds + seconds, entry.rate_minor or 0)
    gross = entry.gross_minor or 0
    return _write(
        entry,
        status=Adjustment.Status.RECORDED,
        seconds=-seconds,
        amount_minor=gross - full,
        fee_minor=(entry.fee_minor or 0) - fee_for(full, entry.fee_bp or 0),
        reason=reason,
        decided_by=decided_by,
        now=now,
    )


def claw_back(*, contract: Contract, amount: Money, reason: str, decided_by: User, now: dt.datetime) -> Adjustment:
    """Take pay back for the lab, with the fee on it: netted against later pay, never collected.

    Raises OwnWork, InvalidInput for another currency than the contract's.
    """
    own_hours.refuse(expert=contract.expert, decided_by=decided_by)
    terms = marketplace.snapshot_at(contract_id=contract.pk, at=now)
    if amount.currency != terms.currency:
        detail = _("The contract pays in %(currency)s.") % {"currency": terms.currency}
        raise InvalidInput(errors=[FieldError("/amount/currency", "wrong_currency", detail)])
    taken = Adjustment.objects.create(
        tenant_id=contract.tenant_id,
        expert_id=contract.expert_id,
        contract=contract,
        kind=Adjustment.Kind.CLAWBACK,
        status=Adjustment.Status.POSTED,
        amount_minor=-amount.minor,
        fee_minor=-fee_for(amount.minor, terms.fee_bp),
        currency=amount.currency,
        reason=reason,
        decided_by=decided_by,
        decided_at=now,
        created_at=now,
    )
    postings.clawback(grant=_grant(taken), now=now)
    experts.record_decision(
        expert=contract.expert,
        act="pay.clawed_back",
        subject=taken.public_id,
        reason_code="clawback",
        explanation=reason,
        evidence={"contract": contract.public_id, "amount": dict(amount.as_json())},
        decided_by=decided_by,
        now=now,
        tenant_id=contract.tenant_id,
    )
    _tell("adjustment.made", taken, actor=f"user:{decided_by.public_id}", now=now)
    return taken


def counted_now(entry: TimeEntry) -> int:
    """Seconds of a settled entry that count after all its posted corrections."""
    posted = entry.adjustments.filter(kind=Adjustment.Kind.CORRECTION, status=Adjustment.Status.POSTED)
    return entry.seconds + sum(posted.values_list("seconds", flat=True))


def _settled(pk: int) -> TimeEntry:
    entries = TimeEntry.objects.settled().select_for_update(no_key=True, of=("self",))
    return entries.select_related("expert", "snapshot", "contract").get(pk=pk)


def _measured(entry: TimeEntry) -> int:
    """Everything the entry holds that could count."""
    return entry.seconds + entry.disallowed_seconds + entry.unconfirmed_seconds


def _priced(entry: TimeEntry, seconds: int) -> ApprovedTime:
    """What the entry would have posted with so many seconds, at its own frozen terms."""
    frozen = settlement.approved_time(entry)
    gross = pay_for(seconds, entry.rate_minor or 0)
    return ApprovedTime(
        source_id=frozen.source_id,
        tenant_id=frozen.tenant_id,
        contract_id=frozen.contract_id,
        expert_id=frozen.expert_id,
        currency=frozen.currency,
        gross_minor=gross,
        fee_minor=fee_for(gross, entry.fee_bp or 0),
        holdback_minor=0
        if postings.is_holdback_released(frozen.source_id)
        else fee_for(gross, entry.snapshot.holdback_bp),
        effective_at=frozen.effective_at,
    )


def _post_correction(
    entry: TimeEntry, correction: Adjustment, *, before: ApprovedTime, after: ApprovedTime, now: dt.datetime
) -> None:
    posted = entry.adjustments.filter(kind=Adjustment.Kind.CORRECTION, status=Adjustment.Status.POSTED).count()
    dated = ApprovedTime(
        source_id=after.source_id,
        tenant_id=after.tenant_id,
        contract_id=after.contract_id,
        expert_id=after.expert_id,
        currency=after.currency,
        gross_minor=after.gross_minor,
        fee_minor=after.fee_minor,
        holdback_minor=after.holdback_minor,
        # Dated as the approval was: a correction after the cutoff does not put off what was due before it.
        effective_at=after.effective_at,
        seq=posted,
    )
    if before.gross_minor:
        postings.time_corrected(corrected=dated, correction_id=correction.public_id, now=now)
    elif after.gross_minor:
        postings.time_approved(entries=[dated], now=now)


def _write(
    entry: TimeEntry,
    *,
    status: str,
    seconds: int,
    amount_minor: int,
    fee_minor: int,
    reason: str,
    decided_by: User | None,
    now: dt.datetime,
) -> Adjustment:
    return Adjustment.objects.create(
        tenant_id=entry.tenant_id,
        expert_id=entry.expert_id,
        contract_id=entry.contract_id,
        entry=entry,
        kind=Adjustment.Kind.CORRECTION,
        status=status,
        seconds=seconds,
        amount_minor=amount_minor,
        fee_minor=fee_minor,
        currency=entry.currency,
        reason=reason,
        decided_by=decided_by,
        decided_at=now,
        created_at=now,
    )


def _grant(adjustment: Adjustment) -> Grant:
    return Grant(
        source_id=adjustment.public_id,
        expert_id=adjustment.expert_id,
        currency=adjustment.currency,
        gross_minor=abs(adjustment.amount_minor),
        effective_at=adjustment.decided_at,
        tenant_id=adjustment.tenant_id,
        fee_minor=abs(adjustment.fee_minor),
    )


def _tell(event: str, adjustment: Adjustment, *, actor: str, now: dt.datetime) -> None:
    outbox.publish(
        event,
        subject=adjustment.public_id,
        tenant_id=adjustment.tenant_id,
        user_id=adjustment.expert.user_id,
        actor=actor,
        payload={"adjustment": adjustment.public_id},
        now=now,
    )
    experts.send_notice(
        expert=adjustment.expert,
        kind=event,
        subject=adjustment.public_id,
        title=_("%(kind)s: %(amount)s")
        % {
            "kind": adjustment.get_kind_display(),
            "amount": str(Money(adjustment.amount_minor, adjustment.currency)),
        },
        body=adjustment.reason,
        link=f"/api/v1/expert/earnings/{adjustment.public_id}/explain",
        now=now,
    )
