"""What one person may do alone: all acts of one sort on the same person or lab within a window, added up.

The sum stays within the threshold, so that many small acts take a second person as one large act does. What the desk takes
from people, gives up or pays from the platform's own pocket (`OVERALL`) is added up over everybody as well, under the
same threshold: two hundred acts on two hundred people are one act on the money. What members of a lab pay alone from its
balance, bonuses and milestones, is added up over the whole lab, whoever of them decided and whoever gets it: one who is
named in turn with another gains nothing by it. Acts of one sort by one person, and of one lab, wait for each other until
the end of their transactions; PostgreSQL keeps the sums as well.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from django.conf import settings
from django.db.models import Q, Sum
from django.utils.translation import gettext_lazy

from core.money import Money
from core.problems import Conflict, map_constraint
from core.public import User
from experts.public import Expert
from marketplace.public import hard_cap
from payments import turns
from payments.models import AdjustmentProposal, LoneAct
from payments.models.lone_act import WITHIN

Act = AdjustmentProposal.Act
REFUND: Final = LoneAct.Sort.REFUND.value
OVERALL: Final = frozenset({Act.PLATFORM_BONUS, Act.PLATFORM_CLAWBACK, Act.CLAWBACK, Act.CORRECTION, Act.CREDIT_NOTE})
"""Acts of the desk that are added up over all people and labs too, in a row of its own that names nobody."""
_SAME_SORT: Final[Mapping[str, str]] = {Act.BONUS_BULK: Act.BONUS}
_LAB_PAY: Final = LoneAct.Sort.LAB_PAY.value
Key = tuple[int | None, int | None, str, bool]


class SecondPersonNeeded(Conflict):
    """Together with what was done alone lately this is above the threshold of four eyes. Do it again: it is proposed then."""

    code = "second_person_needed"
    title = gettext_lazy("Another person has to approve this")


map_constraint(WITHIN, SecondPersonNeeded)


@dataclass(frozen=True, slots=True)
class Part:
    """So much, always positive, that falls on one expert, or on one lab, or on nobody but the platform.

    ``by_anybody`` is what a lab pays: it is added up with what all others of the lab decided alone.
    """

    amount: Money
    expert_id: int | None = None
    tenant_id: int | None = None
    by_anybody: bool = False

    @classmethod
    def of(cls, amount: Money, *, expert: Expert | None, tenant_id: int | None) -> Self:
        """What falls on an expert where there is one, else on the lab."""
        positive = Money(abs(amount.minor), amount.currency)
        return cls(positive, expert_id=expert.pk) if expert else cls(positive, tenant_id=tenant_id)

    @property
    def key(self) -> Key:
        """What is added up together."""
        return self.expert_id, self.tenant_id, self.amount.currency, self.by_anybody


def take_turn(*, act: str, by: User) -> None:
    """Wait until no other act of this sort by this person is under way. Taken before any lock of what it changes."""
    turns.take(f"four_eyes.{_sort(act)}", by.pk)


def too_much(amount: Money) -> bool:
    """Whether so much, either way, takes a second person by itself (`ADJUSTMENT_FOUR_EYES_MINOR`)."""
    return abs(amount.minor) > _threshold(settings.ADJUSTMENT_FOUR_EYES_MINOR, amount.currency)


def alone(
    *,
    act: str,
    amount: Money,
    by: User,
    now: dt.datetime,
    expert: Expert | None = None,
    tenant_id: int | None = None,
    lab_id: int | None = None,
) -> bool:
    """Whether this person may do it alone; then it is counted, in the caller's transaction."""
    part = Part.of(amount, expert=expert, tenant_id=tenant_id)
    return all_alone(act=act, parts=[part], by=by, now=now, lab_id=lab_id)


def all_alone(
    *,
    act: str,
    parts: Sequence[Part],
    by: User,
    now: dt.datetime,
    thresholds: Mapping[str, int] | None = None,
    lab_id: int | None = None,
) -> bool:
    """Whether this person may do all of it alone; then each part is counted. Otherwise none is.

    ``lab_id`` is the lab whose money it is, where its members decide about it.
    """
    allowed = thresholds if thresholds is not None else settings.ADJUSTMENT_FOUR_EYES_MINOR
    take_turn(act=act, by=by)
    if lab_id is not None:
        turns.take(f"four_eyes.{_LAB_PAY}", lab_id)
    wanted: dict[Key, int] = defaultdict(int)
    for part in _counted(act, parts, lab_id):
        wanted[part.key] += part.amount.minor
    done = _done(act, by, parts, lab_id, now=now)
    if any(minor + done.get(key, 0) > _threshold(allowed, key[2]) for key, minor in wanted.items()):
        return False
    LoneAct.objects.bulk_create(
        LoneAct(
            sort=_LAB_PAY if by_anybody else _sort(act),
            actor=by,
            expert_id=expert_id,
            tenant_id=tenant_id,
            amount_minor=minor,
            currency=currency,
            threshold_minor=_threshold(allowed, currency),
            since=_since(now),
            done_at=now,
            created_at=now,
        )
        for (expert_id, tenant_id, currency, by_anybody), minor in wanted.items()
        if minor
    )
    return True


def done_before(*, act: str, by: User, parts: Sequence[Part], now: dt.datetime, lab_id: int | None = None) -> Money:
    """What was done alone in the window that counts with ``parts``; all of one currency.

    Of acts that are added up over everybody, or over a lab, that is all of them: what fell on the same people is in it.
    """
    done = _done(act, by, parts, lab_id, now=now)
    currency = parts[0].amount.currency
    overall = done.pop((None, None, currency, False), 0) if act in OVERALL else 0
    of_lab = done.pop((None, lab_id, currency, True), 0)
    return Money(max(overall, of_lab, sum(done.values())), currency)


def _counted(act: str, parts: Iterable[Part], lab_id: int | None) -> list[Part]:
    """The parts, and once more without whom they fall on where they are added up over everybody, or over the lab."""
    parts = list(parts)
    overall = [Part(part.amount) for part in parts] if act in OVERALL else []
    of_lab = [Part(part.amount, tenant_id=lab_id, by_anybody=True) for part in parts] if lab_id is not None else []
    return parts + overall + of_lab


def _done(act: str, by: User, parts: Iterable[Part], lab_id: int | None, *, now: dt.datetime) -> dict[Key, int]:
    parts = _counted(act, parts, None)
    whom = Q(expert__in={part.expert_id for part in parts if part.expert_id})
    whom |= Q(tenant__in={part.tenant_id for part in parts if part.tenant_id})
    if any(part.expert_id is None and part.tenant_id is None for part in parts):
        whom |= Q(expert=None, tenant=None)
    wanted = Q(whom, actor=by, sort=_sort(act))
    if lab_id is not None:
        wanted |= Q(tenant=lab_id, sort=_LAB_PAY)
    rows = LoneAct.objects.filter(
        wanted, done_at__gt=_since(now), currency__in={part.amount.currency for part in parts}
    )
    sums = rows.values_list("expert_id", "tenant_id", "currency", "sort").annotate(minor=Sum("amount_minor")).order_by()
    return {
        (expert_id, tenant_id, currency, sort == _LAB_PAY): int(minor)
        for expert_id, tenant_id, currency, sort, minor in sums
    }


def _since(now: dt.datetime) -> dt.datetime:
    return now - dt.timedelta(days=settings.FOUR_EYES_WINDOW_DAYS)


def _threshold(thresholds: Mapping[str, int], currency: str) -> int:
    """As configured for the currency or for all others ("*"), else the most that an hour costs in it.

    That is about 1,000 dollars in any unit; where no work is priced it is nothing, so everything takes two people.
    """
    configured = thresholds.get(currency, thresholds.get("*"))
    return hard_cap(currency) if configured is None else configured


def _sort(act: str) -> str:
    return _SAME_SORT.get(act, act)
