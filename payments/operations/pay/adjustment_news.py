"""Whom an adjustment is told: the journal, subscribers, and the expert whose pay it changes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from core import outbox
from core.money import Money
from core.public import Event
from payments.models import Adjustment
from payments.operations.pay import pay_notices
from payments.operations.pay.beside_postings import ExpertPay
from payments.operations.pay.pay_notices import PayNews
from payments.queries.statement_lines import headline


def pay_of(adjustment: Adjustment) -> ExpertPay:
    """A bonus, clawback or reinstatement as the journal takes it."""
    return ExpertPay(
        source_id=adjustment.public_id,
        expert_id=adjustment.expert_id,
        currency=adjustment.currency,
        gross_minor=abs(adjustment.amount_minor),
        effective_at=adjustment.decided_at,
        tenant_id=adjustment.tenant_id,
        fee_minor=abs(adjustment.fee_minor),
    )


def tell_all(event: str, made: Sequence[Adjustment], *, actor: str, now: dt.datetime) -> None:
    """News and a message with the way to contest for each; their experts are joined."""
    publish(event, made, actor=actor, now=now)
    pay_notices.tell_all([news_of(event, adjustment) for adjustment in made], now=now)


def publish(event: str, made: Sequence[Adjustment], *, actor: str, now: dt.datetime) -> None:
    """News for subscribers and webhooks; no message to the expert."""
    outbox.publish_all(
        [
            Event(
                name=event,
                subject=adjustment.public_id,
                tenant_id=adjustment.tenant_id,
                user_id=adjustment.expert.user_id,
                actor=actor,
                payload={"adjustment": adjustment.public_id},
                occurred_at=now,
            )
            for adjustment in made
        ]
    )


def news_of(kind: str, adjustment: Adjustment) -> PayNews:
    """The message about one change of pay; its expert is joined."""
    return PayNews(
        expert=adjustment.expert,
        kind=kind,
        subject=adjustment.public_id,
        title=headline(adjustment.kind, Money(adjustment.amount_minor, adjustment.currency)),
        body=adjustment.reason,
    )
