"""One key, one effect."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client

from core import clock, idempotency, tokens
from core.models import Event, IdempotencyRecord, Tenant
from tests.core.api.conftest import NOTES, Caller, pointers, problem

NOON = dt.datetime(2026, 11, 16, 12, tzinfo=dt.UTC)
RING = f"{NOTES}/n1/ring"


@pytest.mark.django_db
def test_a_repetition_gets_the_first_answer(lab: Caller) -> None:
    """The same status and bytes, marked as replayed, and one effect; the order of members does not matter."""
    first = lab("POST", NOTES, {"text": "x", "count": 1}, Idempotency_Key="k")
    again = lab("POST", NOTES, {"count": 1, "text": "x"}, Idempotency_Key="k")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert again["Content-Type"] == first["Content-Type"]
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    assert Event.objects.count() == 1


@pytest.mark.django_db
def test_the_address_of_long_work_is_replayed_too(lab: Caller) -> None:
    """202 with the same Location."""
    first, again = (lab("POST", "/api/v1/long-work", Idempotency_Key="k") for _ in range(2))
    assert again.status_code == 202
    assert first["Location"] == again["Location"]


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "body"), [(NOTES, {"text": "y"}), (RING, None), ("/api/v1/secrets", {"text": "x"})])
def test_a_key_belongs_to_one_request(lab: Caller, path: str, body: Any) -> None:
    """Another body or path under the same key is refused, and does nothing."""
    lab("POST", NOTES, {"text": "x"}, Idempotency_Key="k")
    problem(lab("POST", path, body, Idempotency_Key="k"), 422, "idempotency_mismatch")
    assert Event.objects.count() == 1


@pytest.mark.django_db
def test_two_labs_may_use_the_same_key(lab: Caller, rival: Caller) -> None:
    """A key is its owner's; two keys of the same lab are one owner's."""
    tenant = Tenant.objects.get(name="Lab")
    second = tokens.mint_lab_key(tenant=tenant, name="second", scopes=["notes:write"])
    same_lab = Caller(Authorization=f"Bearer {second.secret}")
    answers = [caller("POST", NOTES, {"text": "x"}, Idempotency_Key="k") for caller in (lab, rival, same_lab)]
    assert ["Idempotent-Replayed" in answer for answer in answers] == [False, False, True]
    assert Event.objects.count() == 2


@pytest.mark.django_db
def test_strangers_share_no_keys(anonymous: Caller) -> None:
    """One would be answered what another was told."""
    answers = [anonymous("POST", "/api/v1/ping", Idempotency_Key="k") for _ in range(2)]
    assert [(answer.status_code, "Idempotent-Replayed" in answer) for answer in answers] == [(201, False)] * 2
    assert Event.objects.count() == 2
    assert not IdempotencyRecord.objects.exists()


@pytest.mark.django_db
def test_a_refused_request_may_be_sent_again(lab: Caller) -> None:
    """Only successes are kept."""
    problem(lab("POST", NOTES, {"text": ""}, Idempotency_Key="k"), 400, "invalid")
    assert not IdempotencyRecord.objects.exists()
    assert lab("POST", NOTES, {"text": "better"}, Idempotency_Key="k").status_code == 201


@pytest.mark.django_db
def test_money_needs_a_key(lab: Caller) -> None:
    """The refusal points to the header."""
    document = problem(lab("POST", RING), 400, "idempotency_key_required")
    assert pointers(document) == {"Idempotency-Key": "required"}
    assert not Event.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["", "with space", "a" * 256, "ümlaut", "\x7f"])
def test_a_key_is_visible_ascii(lab: Caller, key: str) -> None:
    """At most 255 characters of it."""
    problem(lab("POST", NOTES, {"text": "x"}, Idempotency_Key=key), 400, "idempotency_key_invalid")
    assert not Event.objects.exists()


@pytest.mark.django_db
def test_a_secret_is_not_replayed(lab: Caller) -> None:
    """It is null then, and not in the table."""
    first, again = (lab("POST", "/api/v1/secrets", Idempotency_Key="k") for _ in range(2))
    assert first.json()["secret"] == "s3cret"
    assert again.json() == {"id": first.json()["id"], "secret": None}
    assert b"s3cret" not in bytes(IdempotencyRecord.objects.get().body)


@pytest.mark.django_db
def test_answers_are_kept_for_a_week(lab: Caller) -> None:
    """Then the key is fresh again, and the sweeper forgets it."""
    with clock.frozen(NOON):
        lab("POST", NOTES, {"text": "x"}, Idempotency_Key="k")
        lab("POST", NOTES, {"text": "x"}, Idempotency_Key="other")
    with clock.frozen(NOON + dt.timedelta(days=6)):
        assert "Idempotent-Replayed" in lab("POST", NOTES, {"text": "x"}, Idempotency_Key="k")
        assert idempotency.sweep(now=clock.now()) == 0
    with clock.frozen(NOON + dt.timedelta(days=8)):
        assert "Idempotent-Replayed" not in lab("POST", NOTES, {"text": "new"}, Idempotency_Key="k")
        assert idempotency.sweep(now=clock.now()) == 1
    assert IdempotencyRecord.objects.get().key == "k"
    assert Event.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_effect_leaves_no_record(lab: Caller) -> None:
    """The record lives and dies with the effect."""
    problem(lab("POST", NOTES, {"text": "late"}, Idempotency_Key="k"), 409, "conflict")
    assert not IdempotencyRecord.objects.exists()
    assert not Event.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_sixteen_at_once_make_one_effect(lab: Caller) -> None:
    """Real threads, real transactions: the others are told to wait or get the first answer."""
    together = Barrier(16)

    def send(_number: int) -> Any:
        try:
            together.wait(timeout=30)
            caller = Caller(**lab.headers)
            caller.client = Client(raise_request_exception=False)
            return caller("POST", RING, Idempotency_Key="the-same")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(send, range(16)))
    kinds = [(answer.status_code, answer.headers.get("Idempotent-Replayed")) for answer in answers]
    assert kinds.count((200, None)) == 1
    assert set(kinds) <= {(200, None), (200, "true"), (409, None)}
    for answer in answers:
        if answer.status_code == 409:
            problem(answer, 409, "idempotency_in_flight")
            assert answer["Retry-After"] == "1"
    assert Event.objects.count() == 1


@pytest.fixture
def _other_session(lab: Caller) -> Iterator[None]:
    """Somebody else's transaction holds the lock of the key `held`."""
    attempt = idempotency.Attempt(
        owner=f"tenant:{Tenant.objects.get().pk}", key="held", method="POST", path=RING, digest="", now=NOON
    )
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [idempotency.lock_number(attempt)])
    yield
    other.close()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_other_session")
def test_in_flight_is_told_at_once(lab: Caller) -> None:
    """Nobody waits for a lock; other keys are not concerned."""
    problem(lab("POST", RING, Idempotency_Key="held"), 409, "idempotency_in_flight")
    assert lab("POST", RING, Idempotency_Key="free").status_code == 200
    assert Event.objects.count() == 1
