"""What several answers say about terms: paid activities, caps, windows, holdback, documents."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from core.api.fields import DurationField, RateField
from core.api.types import Day, Doc, Duration, Example, IdOf, Link, RateOut, render_duration, render_rate
from core.money import Money
from marketplace import pay_policy
from marketplace.rates import ACTIVITIES


class PaidActivityOut(TypedDict):
    """How one kind of time is paid."""

    activity: Annotated[str, Example("task")]
    pay: Annotated[str, Doc("paid, capped or unpaid."), Example("paid")]
    cap: Annotated[Duration | None, Doc("Paid up to this much a week."), Example(None)]


class HoldbackOut(TypedDict):
    """The part of pay that is kept back for a while."""

    share_bp: Annotated[int, Doc("In basis points of pay; 0 means nothing is held back."), Example(0)]
    released_after_days: Annotated[int, Doc("Days after approval."), Example(30)]
    first_release_on: Annotated[Day | None, Doc("When hours worked this week would be released."), Example(None)]


PlannedRate = Annotated[
    RateOut,
    Doc("What an hour of the first two weeks is planned to pay, an estimate: unpaid and capped activities counted in."),
]


class TermsOut(TypedDict):
    """What is promised besides the rate."""

    weekly_cap: Annotated[Duration, Example("PT10H")]
    daily_cap: Annotated[Duration | None, Example("PT3H30M")]
    paid_activities: list[PaidActivityOut]
    planned_hourly_rate: PlannedRate
    approval_window: Annotated[Duration, Doc("Silence of the lab longer than this approves hours.")]
    holdback: HoldbackOut
    notice_days: Annotated[int, Doc("Days between the lab's notice and the end."), Example(7)]


class OfferDocumentOut(TypedDict):
    """A text that has to be signed."""

    agreement_version: Annotated[str, IdOf("agv")]
    title: Annotated[str, Example("Confidentiality agreement with A lab in Zurich")]
    version: Annotated[int, Example(1)]
    sha256: Annotated[str, Doc("Of the text.")]
    signed: Annotated[bool, Doc("Whether you have signed this version already.")]
    link: Annotated[Link, Doc("The full text.")]


class PayLineIn(serializers.Serializer[None]):
    """How one activity is paid; `cap` belongs to `capped` alone."""

    pay = serializers.ChoiceField(choices=[(pay, pay) for pay in pay_policy.PAYS])
    cap = DurationField(
        required=False, allow_null=True, default=None, min_seconds=60, max_seconds=pay_policy.LONGEST_CAP_SECONDS
    )


class PayPolicyIn(serializers.Serializer[None]):
    """Which activities are paid; those not named are."""

    def get_fields(self) -> dict[str, Any]:
        """One member for each activity."""
        return {activity: PayLineIn(required=False) for activity in ACTIVITIES}

    def to_internal_value(self, data: Any) -> Any:
        """As the law takes it."""
        given = super().to_internal_value(data)
        return {activity: {"pay": line["pay"], "cap_seconds": line.get("cap")} for activity, line in given.items()}


class HourlyRateField(RateField):
    """A rate per hour; `per` may be left out, since there is nothing else it could be."""

    default_error_messages = {"per": _('Rates are per hour: write "per": "hour".')}

    def to_internal_value(self, data: Any) -> Money:
        """The amount per hour."""
        return super().to_internal_value({"per": "hour", **data} if isinstance(data, dict) else data)


def render_activities(policy: Mapping[str, Any]) -> list[PaidActivityOut]:
    """The policy in the order of the activities."""
    return [
        {
            "activity": activity,
            "pay": policy[activity]["pay"],
            "cap": render_duration(cap) if (cap := policy[activity]["cap_seconds"]) is not None else None,
        }
        for activity in ACTIVITIES
        if activity in policy
    ]


def render_terms(terms: Mapping[str, Any], *, rate: Money, now: dt.datetime) -> TermsOut:
    """Terms as the board keeps them, or an offer's columns by the same names, at ``rate`` an hour."""
    daily = terms["daily_cap_seconds"]
    return {
        "weekly_cap": render_duration(terms["weekly_cap_seconds"]),
        "daily_cap": render_duration(daily) if daily is not None else None,
        "paid_activities": render_activities(terms["pay_policy"]),
        "planned_hourly_rate": render_planned_rate(rate, terms["pay_policy"], terms["weekly_cap_seconds"]),
        "approval_window": render_duration(terms["approval_window_seconds"]),
        "holdback": _holdback(terms, now=now),
        "notice_days": terms["notice_days"],
    }


def render_planned_rate(rate: Money, policy: Mapping[str, Any], weekly_cap_seconds: int) -> RateOut:
    """What an hour of the first two weeks is planned to pay at ``rate``."""
    minor = pay_policy.planned_hourly_rate(
        rate_minor=rate.minor, policy=pay_policy.complete({}, former=policy), weekly_cap_seconds=weekly_cap_seconds
    )
    return render_rate(Money(minor, rate.currency))


def _holdback(terms: Mapping[str, Any], *, now: dt.datetime) -> HoldbackOut:
    # A week is submitted at its end and approved at the latest when the lab's window is over.
    week = dt.timedelta(days=7)
    approved_by = now + week + dt.timedelta(seconds=terms["approval_window_seconds"])
    released = (approved_by + dt.timedelta(days=terms["holdback_days"])).date()
    return {
        "share_bp": terms["holdback_bp"],
        "released_after_days": terms["holdback_days"],
        "first_release_on": released if terms["holdback_bp"] else None,
    }
