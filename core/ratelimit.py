"""Rate limits: one atomic script in Valkey, so that many processes together let through no more than one would.

The script is GCRA (the leaky bucket as a meter): one stored instant per caller, no counters to reset, and a burst of
`limit` requests refills evenly over `seconds`. Valkey's own clock decides, since those of the web servers differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import structlog
from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

# KEYS[1] caller · ARGV[1] interval between requests in µs · ARGV[2] burst · returns allowed, remaining, reset µs, retry µs
_SCRIPT: Final = """
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local tat = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local room = now + interval * burst - tat
if room < interval then
  return {0, 0, tat - now, interval - room}
end
tat = tat + interval
redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000))
return {1, math.floor((now + interval * burst - tat) / interval), tat - now, 0}
"""


@dataclass(frozen=True, slots=True)
class Policy:
    """`limit` requests per `seconds`; `closed` refuses when Valkey cannot be asked (log-in and money)."""

    name: str
    limit: int
    seconds: int
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one request may pass, and the numbers for its headers; waiting times in whole seconds, rounded up."""

    allowed: bool
    limit: int
    remaining: int
    reset: int
    retry_after: int


class LimiterUnavailable(RuntimeError):
    """Valkey cannot be asked and the policy says: then refuse."""


def policy(name: str) -> Policy:
    """The policy called `name` in settings.RATE_LIMITS, where it is written `"600/60"` or `"30/60 closed"`."""
    rate, _, mode = settings.RATE_LIMITS[name].partition(" ")
    limit, _, seconds = rate.partition("/")
    return Policy(name=name, limit=int(limit), seconds=int(seconds), closed=mode == "closed")


def take(chosen: Policy, caller: str) -> Verdict | None:
    """Count one request of `caller`; None when limits are off or, for an open policy, Valkey is down."""
    if not settings.RATE_LIMITS_ENABLED:
        return None
    interval = chosen.seconds * 1_000_000 // chosen.limit
    try:
        answer = _script(settings.REDIS_URL)(
            keys=[f"cadre:rate:{chosen.name}:{caller}"], args=[max(interval, 1), chosen.limit]
        )
    except RedisError as error:
        log.warning("rate_limiter_down", policy=chosen.name, reason=str(error))
        if chosen.closed:
            raise LimiterUnavailable from error
        return None
    allowed, remaining, reset, retry = (int(number) for number in answer)
    return Verdict(
        allowed=bool(allowed),
        limit=chosen.limit,
        remaining=remaining,
        reset=_seconds(reset),
        retry_after=_seconds(retry),
    )


def _seconds(microseconds: int) -> int:
    return -(-microseconds // 1_000_000)


@lru_cache(maxsize=4)
def _script(url: str) -> Any:
    client = Redis.from_url(url, socket_timeout=0.5, socket_connect_timeout=0.5)
    return client.register_script(_SCRIPT)
