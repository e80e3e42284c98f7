"""Rounds: all that a provider settled lately, line by line, however many lines there are and whichever cannot be heard.

A round is a row of the provider, on which each step is committed: about how many lines one question can be is asked
together, and written down before the next. It goes on behind the line where the one before was cut off or killed. A line
over which somebody died, or which took all the time he had, is behind the round and alarms: the next round asks again.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from typing import Final

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from django.db.models import Exists, Min, OuterRef, Q

from core import sweeps
from core.public import Principal, unit_of_work
from payments.models import PayoutAttempt, ProviderEntry, SettlementRound
from payments.providers import registry
from payments.providers.port import Movement, Provider, ProviderUnavailable, Settled

LOOK_BACK: Final = dt.timedelta(days=14)
"""How long after a payment its return is looked for."""
LONGEST_LOOK_BACK: Final = dt.timedelta(days=90)
STALE: Final = dt.timedelta(hours=6)
"""A round that did not move for so long begins again: much may have changed before its position."""

WALKER: Final = Principal.system("payments.follow_settlements")
log = structlog.get_logger(__name__)

Write = Callable[[list[Movement]], None]
"""Writes down what was heard, in units of work of its own, safe to be done again."""
Look = Callable[[list[str]], None]
"""Looks at the keys of a page, before anything of it is asked about."""


def walk(*, provider: str, write: Write, look: Look, ends: float, begins: bool, now: dt.datetime) -> bool:
    """Go round until ``ends`` (of the monotonic clock), one step at least; whether the time was over before the round.

    One walks at a time: whoever comes meanwhile leaves the round to him. ``begins``: where none is under way a new one
    begins, also behind one that another began and nobody died over. Raises ProviderUnavailable.
    """
    with sweeps.alone(f"payments.rounds:{provider}") as is_ours:
        if not is_ours:
            return False
        row = _under_way(provider)
        if row is not None and not (begins and _is_stale(row, now=now)):
            if begins:  # what came since it began may stand before its position
                look(list(keys(provider=provider, since=row.began_at, ends=ends, now=now)))
            begins = begins and not row.asking  # whoever died over a line would do so again, and nothing come of it
            if _is_cut(row, write=write, look=look, ends=ends, now=now):
                return True
        return begins and _is_cut(_begun(provider, now=now), write=write, look=look, ends=ends, now=now)


def begin(*, provider: str, now: dt.datetime) -> None:
    """Let a round be under way, for whoever goes on with it."""
    with sweeps.alone(f"payments.rounds:{provider}") as is_ours:
        if is_ours and _under_way(provider) is None:
            _begun(provider, now=now)


def is_asking(*, provider: str) -> bool:
    """Whether somebody asks about a line, or was when he died: whoever goes on begins behind it."""
    row = _under_way(provider)
    return row is not None and row.asking != ""


def heard_at(*, provider: str) -> dt.datetime | None:
    """Up to when all that the provider settled was asked about; None before the first whole round."""
    with unit_of_work(WALKER):
        return SettlementRound.objects.filter(provider=provider).values_list("heard_at", flat=True).first()


def keys(*, provider: str, since: dt.datetime, now: dt.datetime, ends: float = float("inf")) -> Iterator[str]:
    """Our keys in the provider's list, without asking about any of them. Raises ProviderUnavailable."""
    asked, after = registry.provider(provider), ""
    while lines := asked.settlements(since=since, now=now, after=after):
        yield from (line.key for line in lines if line.key)
        after = lines[-1].position
        if time.monotonic() >= ends:
            return


def _is_cut(row: SettlementRound, *, write: Write, look: Look, ends: float, now: dt.datetime) -> bool:
    """Walk one round to its end; whether the time was over before."""
    provider = registry.provider(row.provider)
    while lines := _next(provider, row, now=now):
        look([line.key for line in lines if line.key])
        for part in _parts(lines, together=provider.asked_together, doubtful=row.asking):
            _note(row, asking=part[-1].position, now=now)
            if heard := _heard(row.provider, part):
                write(heard)
            row.position = part[-1].position
            if time.monotonic() >= ends:
                _note(row, asking="", now=now)
                return True
        _note(row, asking="", now=now)
    row.is_open, row.heard_at = False, max(row.began_at, row.heard_at or row.began_at)
    _note(row, asking="", now=now)
    return False


def _next(provider: Provider, row: SettlementRound, *, now: dt.datetime) -> list[Settled]:
    """The next page, without the one line over which somebody died."""
    lines = provider.settlements(since=row.since, now=now, after=row.position)
    if lines and lines[0].position == row.asking:
        log.error("settlement_too_slow", provider=row.provider, key=lines[0].key, position=row.asking)
        row.position = row.asking
        _note(row, asking="", now=now)
        return lines[1:] or _next(provider, row, now=now)
    return lines


def _parts(lines: list[Settled], *, together: int, doubtful: str) -> Iterator[list[Settled]]:
    """What is asked together. Lines over which somebody died together are asked one by one, to find the one it was."""
    alone = next((n for n, line in enumerate(lines, 1) if line.position == doubtful), 0) if doubtful else 0
    for line in lines[:alone]:
        yield [line]
    for start in range(alone, len(lines), together):
        yield lines[start : start + together]


def _heard(provider: str, lines: list[Settled]) -> list[Movement]:
    """What could be heard: who does not answer, or answers what nobody understands, is asked again by the next round."""
    heard = []
    for line in lines:
        try:
            if line.key:
                heard.append(line.hear())
        except SoftTimeLimitExceeded:
            raise
        except ProviderUnavailable as error:
            log.warning("provider_unavailable", provider=provider, key=line.key, error=str(error))
        except Exception:
            log.exception("settlement_not_followed", provider=provider, key=line.key)
    return heard


def _under_way(provider: str) -> SettlementRound | None:
    with unit_of_work(WALKER):
        return SettlementRound.objects.filter(provider=provider, is_open=True).first()


def _is_stale(row: SettlementRound, *, now: dt.datetime) -> bool:
    return abs(now - row.moved_at) >= STALE


def _begun(provider: str, *, now: dt.datetime) -> SettlementRound:
    with unit_of_work(WALKER):
        fresh = {"since": _since(provider, now), "began_at": now, "moved_at": now}
        clean = {"position": "", "asking": "", "is_open": True}
        row, _is_first = SettlementRound.objects.update_or_create(provider=provider, defaults=fresh | clean)
        return row


def _note(row: SettlementRound, *, asking: str, now: dt.datetime) -> None:
    row.asking, row.moved_at = asking, now
    with unit_of_work(WALKER):
        row.save(update_fields=["position", "asking", "moved_at", "is_open", "heard_at"])


def _since(provider: str, now: dt.datetime) -> dt.datetime:
    """Before the first payout was sent that was paid within two weeks, or of which we never took down the movement.

    The rounds may have stood still for longer than that: an outage, or a clock that was moved on. Lists say when money was
    sent, and what an account held up for weeks was sent long before it was paid.
    """
    told = ProviderEntry.objects.filter(provider=provider, kind=ProviderEntry.Kind.PAYOUT, key=OuterRef("idem_key"))
    usual = now - LOOK_BACK
    looked_for = PayoutAttempt.objects.filter(
        ~Exists(told) | Q(payout__paid_at__gte=usual),
        payout__provider=provider,
        payout__paid_at__gte=now - LONGEST_LOOK_BACK,
        outcome=PayoutAttempt.Outcome.ACCEPTED,
    )
    first: dt.datetime | None = looked_for.aggregate(first=Min("first_sent_at"))["first"]
    return min(usual, first - dt.timedelta(days=1)) if first else usual
