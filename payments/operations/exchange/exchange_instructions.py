"""Standing instructions to exchange: agreed to once, carried out before each cutoff, revoked at any time.

Each exchange is one as the expert would make it himself, by the newest quote of the hour, never a worse one than he
agreed to. It is made shortly before the cutoff of the currency that is bought, so that the run of that cutoff pays it.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import states
from core.problems import Conflict, DomainError, FieldError, InvalidInput, Remedy, map_constraint
from core.public import Principal, unit_of_work
from core.sweeps import sweep
from experts import public as experts
from experts.public import Expert
from payments import calendar
from payments.models import ExchangeInstruction, PayoutMethod
from payments.operations.exchange import exchanges, fx
from payments.operations.exchange.exchanges import NowhereToPay, PayInRun
from payments.paydays import schedule_of


class InstructionExists(Conflict):
    """You have a standing instruction for this currency already: revoke it first, then agree to another one."""

    code = "instruction_exists"
    title = gettext_lazy("There is such an instruction already")


class NotAgreed(DomainError):
    """A standing instruction needs your consent: read what it does, and send `consent` as true."""

    code = "consent_needed"
    status = 400
    title = gettext_lazy("Your consent is needed")


class _WorseThanAgreed(Exception):
    """The newest quote is not within what the expert agreed to."""


map_constraint("payments_exchangeinstruction_one", InstructionExists)


def agree(
    *,
    expert: Expert,
    sell: str,
    buy: str,
    most_spread_bp: int,
    least_rate: Decimal,
    consent: bool,
    now: dt.datetime,
) -> ExchangeInstruction:
    """Let what is owed in ``sell`` be exchanged into ``buy`` before each cutoff from now on.

    Raises NotAgreed, InvalidInput, NowhereToPay, InstructionExists.
    """
    if not consent:
        raise NotAgreed(errors=[FieldError("/consent", NotAgreed.code, NotAgreed.title)])
    if sell == buy:
        detail = _("An exchange has two currencies.")
        raise InvalidInput(detail, errors=[FieldError("/buy", "same_currency", detail)])
    methods = PayoutMethod.objects.filter(expert=expert, currency=buy, status__in=exchanges.USABLE)
    if not methods.exists():
        raise NowhereToPay(remedy=Remedy(_("Add a payout method."), "/api/v1/expert/payout-methods"))
    return ExchangeInstruction.objects.create(
        expert=expert, sell=sell, buy=buy, most_spread_bp=most_spread_bp, least_rate=least_rate, agreed_at=now
    )


def revoke(*, instruction: ExchangeInstruction, now: dt.datetime) -> ExchangeInstruction:
    """From now on nothing is exchanged by it; what was, stays. Raises InvalidTransition."""
    row = _locked(instruction.pk)
    states.move(row, ExchangeInstruction.Status.REVOKED)
    row.revoked_at = now
    row.save()
    return row


def begins(cutoff: dt.datetime) -> dt.datetime:
    """When instructions start to be carried out before a cutoff."""
    return cutoff - dt.timedelta(minutes=settings.EXCHANGE_LEAD_MINUTES)


def follow_all(*, by: Principal, now: dt.datetime, after: int = 0) -> int:
    """Carry out every instruction whose hour has come, each in a transaction of its own; how many exchanged."""
    with unit_of_work(by):
        due = _due(now=now)
    return sweep(by=by, due=due, step=lambda pk: follow(instruction_id=pk, by=by, now=now), after=after)


def _due(*, now: dt.datetime) -> QuerySet[ExchangeInstruction]:
    """Those whose hour it is and that have not exchanged in it, and those whose failure is to be told."""
    active = ExchangeInstruction.objects.filter(status=ExchangeInstruction.Status.ACTIVE)
    due = Q(failed_for__lte=now)
    for buy in active.order_by().values_list("buy", flat=True).distinct():
        cutoff = calendar.next_cutoff(schedule_of(buy), now)
        if now >= begins(cutoff):
            due |= Q(buy=buy) & (Q(done_for=None) | Q(done_for__lt=cutoff))
    return active.filter(due)


def follow(*, instruction_id: int, by: Principal, now: dt.datetime) -> bool:
    """Exchange all that is owed, in the last hour before the cutoff, once; tell him afterwards when it could not be.

    Harmless at any other time, and when it was revoked or carried out in the meantime.
    """
    row = _locked(instruction_id)
    if row.status != ExchangeInstruction.Status.ACTIVE:
        return False
    if row.failed_for is not None and row.failed_for <= now:
        _tell_failure(row, now=now)
    cutoff = calendar.next_cutoff(schedule_of(row.buy), now)
    if now < begins(cutoff) or row.is_done_for(cutoff):
        return False
    try:
        with transaction.atomic():
            made = _exchange_all(row, by=by, now=now)
    except (DomainError, _WorseThanAgreed) as refusal:
        row.failed_for = cutoff
        row.obstacle = refusal.code if isinstance(refusal, DomainError) else str(refusal)
        row.save()
        return False
    if made:
        row.done_for, row.failed_for, row.obstacle = cutoff, None, ""
        row.save()
    return made


def _exchange_all(row: ExchangeInstruction, *, by: Principal, now: dt.datetime) -> bool:
    owed = exchanges.free_to_exchange(expert_id=row.expert_id, currency=row.sell)
    if exchanges.in_a_run(expert_id=row.expert_id, currency=row.sell):
        raise PayInRun
    if owed.minor <= 0:
        return False
    quote = fx.latest(sell=row.sell, buy=row.buy, now=now)
    worse = row.refuses(quote)
    if worse:
        raise _WorseThanAgreed(worse)
    exchanges.exchange(expert=row.expert, quote=quote, sold=owed, by=by, instruction=row, now=now)
    return True


def _tell_failure(row: ExchangeInstruction, *, now: dt.datetime) -> None:
    why = WHY.get(row.obstacle, gettext_lazy("it was refused (%(code)s)")) % {"code": row.obstacle}
    experts.send_notice(
        expert=row.expert,
        kind="pay.not_exchanged",
        subject=row.public_id,
        title=_("What you are owed in %(sell)s was not exchanged") % {"sell": row.sell},
        body=_("Your standing instruction found no way before the cutoff: %(why)s. It tries again before the next one.")
        % {"why": why},
        link=f"/api/v1/expert/exchange-instructions/{row.public_id}",
        now=now,
    )
    row.failed_for = None
    row.save()


WHY = {
    "quote_missing": gettext_lazy("nobody quoted these currencies"),
    "spread_too_high": gettext_lazy("the spread was higher than you agreed to"),
    "rate_too_low": gettext_lazy("the rate was lower than you agreed to"),
    "pay_in_run": gettext_lazy("a pay run that counts it was being looked at"),
    "payouts_blocked": gettext_lazy("your payouts are held by a decision"),
    "nowhere_to_pay": gettext_lazy("you have no payout method in the currency to buy"),
    "own_work": gettext_lazy("you had a part in the newest quote"),
    "too_little_to_exchange": gettext_lazy("it was too little to buy anything"),
}


def _locked(pk: int) -> ExchangeInstruction:
    rows = ExchangeInstruction.objects.select_for_update(no_key=True, of=("self",))
    return rows.select_related("expert__user").get(pk=pk)
