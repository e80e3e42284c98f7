"""What later terms of a contract may be, from when, and what they would take from the expert."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.utils.translation import gettext as _

from core.money import Money
from core.problems import FieldError, InvalidInput
from marketplace import pay_policy, rates
from marketplace.losses import WorkTerms, losses
from marketplace.models import Amendment, Contract, RateSnapshot

FURTHEST: Final = dt.timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Change:
    """What a lab wants to be different; what is None stays. ``day_cap_seconds`` 0 takes the cap away."""

    rate: Money | None = None
    week_cap_seconds: int | None = None
    day_cap_seconds: int | None = None
    pay_policy: Mapping[str, Mapping[str, Any]] | None = None


def complete(former: RateSnapshot, change: Change) -> WorkTerms:
    """The complete later terms. Raises InvalidInput."""
    before = terms_of(former)
    later = WorkTerms(
        rate_minor=_rate(former, change.rate),
        week_cap_seconds=change.week_cap_seconds or before.week_cap_seconds,
        day_cap_seconds=before.day_cap_seconds if change.day_cap_seconds is None else change.day_cap_seconds or None,
        pay_policy=_policy(former, change.pay_policy),
    )
    if later.day_cap_seconds is not None and later.day_cap_seconds > later.week_cap_seconds:
        raise _invalid("/daily_cap", "too_long", _("A day cannot have more hours than the week."))
    if later == before:
        raise _invalid("", "nothing_changes", _("These are the terms already."))
    return later


def losses_of(amendment: Amendment) -> list[str]:
    """What it would take from the expert; ``former`` is joined."""
    return losses(terms_of(amendment.former), terms_of(amendment))


def require_time(
    contract: Contract, former: RateSnapshot, later: WorkTerms, effective_at: dt.datetime, *, now: dt.datetime
) -> None:
    """Raise InvalidInput unless the instant is in the future, after what was agreed before, and far enough for losses."""
    lost = losses(terms_of(former), later)
    days = max(contract.offer.notice_days, settings.AMENDMENT_NOTICE_DAYS)
    rules = (
        (effective_at > now, "in_the_past", _("Terms change only from a later instant on.")),
        (effective_at > former.valid.lower, "before_agreed_terms", _("Later terms are agreed already for that time.")),
        (effective_at <= now + FURTHEST, "too_far", _("Terms are agreed at most a year ahead.")),
        (
            not lost or effective_at >= now + dt.timedelta(days=days),
            "notice_too_short",
            _("What takes something from the expert (%(lost)s) needs %(days)d days of notice.")
            % {"lost": ", ".join(lost), "days": days},
        ),
    )
    broken = [FieldError("/effective_at", code, detail) for holds, code, detail in rules if not holds]
    if broken:
        raise InvalidInput(errors=broken[:1])


def terms_of(row: RateSnapshot | Amendment) -> WorkTerms:
    """The terms that can be compared, with every activity of the pay policy written out."""
    policy = pay_policy.complete({}, former=row.pay_policy)
    return WorkTerms(row.rate_minor, row.week_cap_seconds, row.day_cap_seconds, policy)


def _rate(former: RateSnapshot, rate: Money | None) -> int:
    if rate is None:
        return former.rate_minor
    if rate.currency != former.currency:
        detail = _("The contract pays in %(currency)s.") % {"currency": former.currency}
        raise _invalid("/rate/currency", "wrong_currency", detail)
    cap = rates.hard_cap(rate.currency)
    if rate.minor > cap:
        detail = _("An hour costs at most %(cap)s.") % {"cap": Money(cap, rate.currency)}
        raise _invalid("/rate/amount", "too_large", detail)
    return rate.minor


def _policy(former: RateSnapshot, given: Mapping[str, Mapping[str, Any]] | None) -> pay_policy.PayPolicy:
    try:
        return pay_policy.complete(given or {}, former=former.pay_policy)
    except pay_policy.InvalidPolicy as error:
        raise _invalid(f"/pay_policy/{error.activity}", "invalid_policy", error.rule) from None


def _invalid(pointer: str, code: str, detail: str) -> InvalidInput:
    return InvalidInput(detail, errors=[FieldError(pointer, code, detail)])
