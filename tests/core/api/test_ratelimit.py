"""Many processes together let through what one would, and not one more."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.conf import LazySettings
from redis import Redis

from core import ratelimit
from core.models import Event
from tests.core.api.conftest import NOTES, Caller, problem

RING = f"{NOTES}/n1/ring"


def test_a_burst_passes_and_the_next_one_waits() -> None:
    """The numbers of the headers count down."""
    policy = ratelimit.Policy("tests", limit=5, seconds=60)
    verdicts = [ratelimit.take(policy, "somebody") for _ in range(7)]
    assert all(verdict is not None for verdict in verdicts)
    seen = [(v.allowed, v.remaining) for v in verdicts if v is not None]
    assert seen == [(True, 4), (True, 3), (True, 2), (True, 1), (True, 0), (False, 0), (False, 0)]
    last = verdicts[-1]
    assert last is not None
    assert 10 <= last.retry_after <= 12
    assert 55 <= last.reset <= 60
    other = ratelimit.take(policy, "somebody else")
    assert other is not None
    assert other.allowed


def test_four_processes_overshoot_by_one_at_most() -> None:
    """Each fires 60 requests at a limit of 100 as fast as it can."""
    script = (
        "from core import ratelimit\n"
        "policy = ratelimit.Policy('race', limit=100, seconds=3600)\n"
        "print(sum(ratelimit.take(policy, 'all').allowed for _ in range(60)))\n"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}
    running = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(4)
    ]
    passed = sum(int(process.communicate(timeout=60)[0]) for process in running)
    assert 100 <= passed <= 101


@pytest.mark.django_db
def test_the_caller_sees_his_limit_and_is_told_to_wait(lab: Caller, rival: Caller, settings: LazySettings) -> None:
    """429 with Retry-After; other callers are not concerned, and a refused request does nothing."""
    settings.RATE_LIMITS = {"default": "2/60"}
    answers = [lab("POST", NOTES, {"text": "x"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert [answer["RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert {answer["RateLimit-Limit"] for answer in answers} == {"2"}
    document = problem(answers[2], 429, "rate_limited")
    assert answers[2]["Retry-After"] == str(document["retry_after"])
    assert rival("POST", NOTES, {"text": "x"}).status_code == 201
    assert Event.objects.count() == 3


@pytest.mark.django_db
def test_strangers_are_counted_by_address(anonymous: Caller, settings: LazySettings) -> None:
    """There is nothing else to know them by."""
    settings.RATE_LIMITS = {"default": "1/60"}
    assert [anonymous("GET", "/api/v1/ping").status_code for _ in range(2)] == [200, 429]


@pytest.mark.django_db
def test_without_valkey_reads_pass_and_money_waits(lab: Caller, settings: LazySettings) -> None:
    """Open for the one, closed for the other."""
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    answer = lab("GET", NOTES)
    assert answer.status_code == 200
    assert "RateLimit-Limit" not in answer
    refused = lab("POST", RING, Idempotency_Key="k")
    problem(refused, 503, "unavailable")
    assert refused["Retry-After"]
    assert not Event.objects.exists()


LOGIN = "/_allauth/app/v1/auth/login"


@pytest.mark.django_db
def test_log_ins_are_counted_by_address(anonymous: Caller, settings: LazySettings) -> None:
    """Whichever account they try; without Valkey nobody can guess for free."""
    settings.RATE_LIMITS = {"login": "2/60 closed"}
    tries = [anonymous("POST", LOGIN, {"email": f"{n}@example.org", "password": "guess"}) for n in range(3)]
    assert [answer.status_code for answer in tries] == [400, 400, 429]
    problem(tries[2], 429, "rate_limited")
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    problem(anonymous("POST", LOGIN, {"email": "a@example.org", "password": "guess"}), 503, "unavailable")


@pytest.mark.django_db
def test_an_address_is_the_proxys_word_and_not_the_callers(anonymous: Caller, settings: LazySettings) -> None:
    """A made-up X-Forwarded-For makes nobody a new caller; the proxy's last entry does."""
    settings.RATE_LIMITS = {"default": "1/60"}
    assert anonymous("GET", "/api/v1/ping", X_Forwarded_For="203.0.113.1").status_code == 200
    assert anonymous("GET", "/api/v1/ping", X_Forwarded_For="203.0.113.2").status_code == 429
    settings.TRUST_PROXY = True
    assert anonymous("GET", "/api/v1/ping", X_Forwarded_For="made-up, 203.0.113.3").status_code == 200
    assert anonymous("GET", "/api/v1/ping", X_Forwarded_For="other, 203.0.113.3").status_code == 429


@pytest.mark.django_db
def test_limits_can_be_switched_off(lab: Caller, settings: LazySettings) -> None:
    """For benchmarks."""
    settings.RATE_LIMITS_ENABLED = False
    settings.RATE_LIMITS = {"default": "1/60"}
    assert [lab("GET", NOTES).status_code for _ in range(3)] == [200, 200, 200]


def test_nothing_is_kept_longer_than_it_counts() -> None:
    """Keys expire by themselves."""
    ratelimit.take(ratelimit.Policy("tests", limit=10, seconds=10), "somebody")
    client = Redis.from_url(os.environ["REDIS_URL"])
    assert 0 < client.pttl("cadre:rate:tests:somebody") <= 1001
