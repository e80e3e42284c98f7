"""Many at once, with real transactions: one effect each."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from core import clock
from core.principal import Principal
from core.problems import InvalidTransition
from core.public import AccessToken, User, unit_of_work
from core.tokens import mint_expert_token
from experts.models import Appeal, Availability, Credential, Decision, Expert, Notice, Signature
from experts.operations import agreements, appeals, verifications
from experts.public import record_decision
from tests.experts.people import BASE, Api, make_user

AT_ONCE = 8

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(act: Callable[[int], Any]) -> Iterator[Any]:
    """Run ``act`` in threads with connections of their own."""

    def run(number: int) -> Any:
        try:
            return act(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return pool.map(run, range(AT_ONCE))


def platform() -> Any:
    return unit_of_work(Principal.system("tests.races"))


def test_one_person_becomes_one_expert() -> None:
    secret = mint_expert_token(user=make_user("new@example.org"), name="t").secret

    def ask(number: int) -> int:
        status: int = Client().get(f"{BASE}/", headers={"Authorization": f"Bearer {secret}"}).status_code
        return status

    assert Counter(at_once(ask)) == {200: AT_ONCE}
    assert (Expert.objects.count(), Availability.objects.count()) == (1, 1)
    assert AccessToken.objects.count() == 1


def test_signing_many_times_is_signing_once(ada: Api) -> None:
    with platform():
        version = agreements.publish_agreement(code="nda", title="NDA", body="Hush.", by=None, now=clock.now())

    def sign(number: int) -> str:
        answer = Client(headers=ada.headers).post(
            f"{BASE}/agreements/{version.public_id}/sign",
            {"typed_name": "Ada Lovelace"},
            content_type="application/json",
        )
        return str(answer.json()["id"])

    assert len(set(at_once(sign))) == 1
    assert Signature.objects.count() == 1
    assert Notice.objects.filter(kind="agreement.signed").count() == 1


def test_one_appeal_is_open(ada: Api, verifier: User) -> None:
    with platform():
        record_decision(
            expert=ada.expert, act="warn", subject="sub_1", reason_code="other", explanation="x", evidence={},
            decided_by=verifier, now=clock.now(),
        )  # fmt: skip

    def contest(number: int) -> int:
        body = {"subject": "sub_1", "reason": f"No {number}."}
        answer = Client(headers=ada.headers).post(f"{BASE}/appeals", body, content_type="application/json")
        return int(answer.status_code)

    assert Counter(at_once(contest)) == {201: 1, 409: AT_ONCE - 1}
    assert Appeal.objects.count() == 1


def test_two_verifiers_make_one_decision(ada: Api, verifier: User, second: User) -> None:
    credential = Credential.objects.create(expert=ada.expert, kind="portfolio", title="x", status="pending")

    def decide(number: int) -> str:
        by = (verifier, second)[number % 2]
        try:
            with platform():
                if number % 2:
                    verifications.verify(claim=credential, reason="ok", by=by, now=clock.now())
                else:
                    verifications.refuse(
                        claim=credential, to="rejected", reason_code="other", reason="no", by=by, now=clock.now()
                    )
        except InvalidTransition:
            return "late"
        return "decided"

    told = Counter(at_once(decide))
    credential.refresh_from_db()
    # A verified credential cannot be rejected, nor the other way round: whoever came first has decided.
    assert told == {"decided": 1, "late": AT_ONCE - 1}
    assert Decision.objects.count() == (credential.status == "rejected")


def test_the_clock_and_a_person_decide_once(ada: Api, second: User) -> None:
    now = clock.now()
    appeal = Appeal.objects.create(expert=ada.expert, subject="sub_1", reason="x", due_at=now - dt.timedelta(1))

    def decide(number: int) -> bool:
        try:
            with platform():
                if number % 2:
                    return bool(appeals.resolve_overdue(now=now))
                appeals.decide(appeal=appeal, outcome="upheld", note="It stands.", by=second, now=now)
        except InvalidTransition:
            return False
        return True

    assert Counter(at_once(decide)) == {True: 1, False: AT_ONCE - 1}
    assert Notice.objects.filter(kind="appeal.decided").count() == 1
