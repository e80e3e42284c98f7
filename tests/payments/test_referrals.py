"""Experts who bring experts: invited, joined, paid once by the platform; never to oneself, in a circle, or twice."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from pytest_django import Settings

from core import outbox, tokens
from core.public import User
from experts.public import Expert, Notice
from payments.models import PlatformPay, Referral
from payments.operations.hours import clocks
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments.beside import DAY, DECIDED, LATER, approved, assert_the_books_hold, decide_appeal, told
from tests.payments.hours_world import MONDAY, PLATFORM, Caller, World, platform

pytestmark = pytest.mark.django_db
INVITED = MONDAY - 10 * DAY
HOUR_PROGRAMME = {
    "from": "2026-01-01", "version": "t1", "bonus_minor": 25_000, "currency": "USD", "threshold_seconds": 3600,
    "join_days": 30, "reach_days": 180, "cap": 2,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _programme(settings: Settings) -> None:
    settings.REFERRAL_PROGRAMME = [HOUR_PROGRAMME]


def person(email: str, *, since: dt.datetime) -> Expert:
    with platform():
        expert = hours.make_expert(email)
        User.objects.filter(pk=expert.user_id).update(created_at=since)
    return Expert.objects.select_related("user").get(pk=expert.pk)


def caller_of(expert: Expert) -> Caller:
    return Caller(tokens.mint_expert_token(user=expert.user, name="tests").secret)


@pytest.fixture
def ada() -> Expert:
    return person("ada@example.org", since=INVITED - 90 * DAY)


@pytest.fixture
def grace() -> Expert:
    return person("grace@example.org", since=INVITED + DAY)


def invite(ada: Expert, at: dt.datetime = INVITED, **body: Any) -> Any:
    return caller_of(ada)("POST", "/expert/referrals", body, at=at)


def join(expert: Expert, code: str, at: dt.datetime = INVITED + 2 * DAY) -> Any:
    return caller_of(expert)("POST", "/expert/referrals/join", {"code": code}, at=at)


def works(expert: Expert, name: str = "Aurora") -> World:
    with platform():
        world = hours.build(name=name, expert=expert)
        approved(world)
    outbox.drain(now=DECIDED)
    return world


def test_whoever_brings_somebody_is_paid_once(ada: Expert, grace: Expert, settings: Settings) -> None:
    made = invite(ada, email="Grace@example.org")
    assert made.status_code == 201, made.content
    assert made.json()["bonus"]["amount"] == "250.00"
    settings.REFERRAL_PROGRAMME = [HOUR_PROGRAMME, {**HOUR_PROGRAMME, "from": "2026-11-01", "bonus_minor": 1}]
    assert join(grace, made.json()["code"].lower()).status_code == 200
    assert story.owed(ada) == 0
    world = works(grace)
    clocks.check_referrals(by=PLATFORM, now=LATER)
    assert story.owed(ada) == 25_000
    (row,) = caller_of(ada)("GET", "/expert/referrals").json()["results"]
    assert (row["status"], row["pay"][:4]) == ("paid", "ppy_")
    assert "grace" not in str(row).lower()
    assert any(
        "250.00" in line["amount"]["amount"] for line in caller_of(ada)("GET", "/expert/earnings").json()["lines"]
    )
    explained = caller_of(ada)("GET", f"/expert/earnings/{row['pay']}/explain").json()
    assert explained["kind"] == "referral"
    with platform():
        assert PlatformPay.objects.count() == 1
    assert told(world, row["id"]) == []
    assert_the_books_hold()


def test_the_address_is_kept_as_a_digest_only(ada: Expert) -> None:
    invite(ada, email="grace@example.org")
    row = Referral.objects.get()
    assert "grace" not in str(vars(row))
    assert len(row.email_hash) == 64
    again = invite(ada, at=INVITED + DAY, email="GRACE@example.org")
    assert (again.status_code, again.json()["code"]) == (409, "already_invited")


@pytest.mark.parametrize("why", ["self", "other_address", "old_account", "has_worked", "too_late", "unknown", "circle"])
def test_who_cannot_join_hears_the_same(ada: Expert, grace: Expert, why: str) -> None:
    body: dict[str, Any] = {"email": "other@example.org"} if why == "other_address" else {}
    code = invite(ada, **body).json()["code"]
    who, at = grace, INVITED + 2 * DAY
    if why == "self":
        who = ada
    elif why == "old_account":
        who = person("old@example.org", since=INVITED - DAY)
    elif why == "has_worked":
        with platform():
            hours.build(expert=grace)
    elif why == "too_late":
        at = INVITED + 30 * DAY
    elif why == "unknown":
        code = "ABCDEFGHJKLM"
    elif why == "circle":
        assert join(grace, code).status_code == 200
        code = invite(grace, at=INVITED + 2 * DAY).json()["code"]
        User.objects.filter(pk=ada.user_id).update(created_at=INVITED + 3 * DAY)
        who, at = ada, INVITED + 4 * DAY
    answer = join(who, code, at=at)
    assert (answer.status_code, answer.json()["code"]) == (409, "cannot_join")
    assert not Referral.objects.filter(referred=who).exists()


def test_a_person_joins_once_and_a_code_is_used_once(ada: Expert, grace: Expert) -> None:
    codes = [invite(ada, at=INVITED + dt.timedelta(minutes=n)).json()["code"] for n in range(2)]
    assert join(grace, codes[0]).status_code == 200
    assert join(grace, codes[1], at=INVITED + 3 * DAY).status_code == 409
    other = person("eve@example.org", since=INVITED + DAY)
    assert join(other, codes[0]).status_code == 409


def test_the_cap_holds_and_expired_ones_make_room(ada: Expert) -> None:
    for n in range(2):
        assert invite(ada, at=INVITED + dt.timedelta(minutes=n)).status_code == 201
    full = invite(ada, at=INVITED + DAY)
    assert (full.status_code, full.json()["code"], full.json()["cap"]) == (409, "too_many_referrals", 2)
    clocks.check_referrals(by=PLATFORM, now=INVITED + 31 * DAY)
    assert set(Referral.objects.values_list("status", flat=True)) == {"expired"}
    assert invite(ada, at=INVITED + 32 * DAY).status_code == 201


def test_two_accounts_of_one_person_are_refused_until_an_appeal_says_otherwise(ada: Expert, grace: Expert) -> None:
    for expert in (ada, grace):
        story.add_method(expert, account="acct-same", now=INVITED)
    join(grace, invite(ada).json()["code"])
    works(grace)
    row = Referral.objects.get()
    assert (row.status, story.owed(ada)) == ("refused", 0)
    filed = caller_of(ada)("POST", "/expert/appeals", {"subject": row.public_id, "reason": "We are married."}, at=LATER)
    assert filed.status_code == 201, filed.content
    decide_appeal(filed.json()["id"], "overturned", by=User.objects.create_user("j@cadre.example"), at=LATER)
    assert story.owed(ada) == 25_000
    assert Referral.objects.get().status == "paid"


def refused(ada: Expert, grace: Expert) -> Referral:
    """Both are paid to one account, so nobody was paid for Grace."""
    for expert in (ada, grace):
        story.add_method(expert, account="acct-same", now=INVITED)
    join(grace, invite(ada, email="grace@example.org").json()["code"])
    works(grace)
    row = Referral.objects.get()
    assert (row.status, story.owed(ada)) == ("refused", 0)
    return row


def win(ada: Expert, row: Referral) -> None:
    filed = caller_of(ada)("POST", "/expert/appeals", {"subject": row.public_id, "reason": "We are married."}, at=LATER)
    assert filed.status_code == 201, filed.content
    decide_appeal(filed.json()["id"], "overturned", by=User.objects.create_user("j@cadre.example"), at=LATER)


def test_an_appeal_pays_the_first_though_the_address_was_invited_again(ada: Expert, grace: Expert) -> None:
    first = refused(ada, grace)
    again = invite(ada, at=LATER, email="grace@example.org").json()
    win(ada, first)
    assert story.owed(ada) == 25_000
    assert set(Referral.objects.values_list("status", flat=True)) == {"paid", "expired"}
    with platform():
        (message,) = Notice.objects.filter(expert=ada, subject=again["id"]).values_list("body", flat=True)
    assert message == "Your earlier invitation of the same address is paid after all."
    assert join(person("new@example.org", since=LATER), again["code"], at=LATER + DAY).status_code == 409
    outbox.drain(now=LATER + DAY)
    assert (story.owed(ada), PlatformPay.objects.count()) == (25_000, 1)
    assert_the_books_hold()


def test_both_are_paid_where_another_account_has_the_address_now(ada: Expert, grace: Expert) -> None:
    first = refused(ada, grace)
    User.objects.filter(pk=grace.user_id).update(email="grace@new.example")
    other = person("grace@example.org", since=LATER + DAY)
    code = invite(ada, at=LATER, email="grace@example.org").json()["code"]
    assert join(other, code, at=LATER + 2 * DAY).status_code == 200
    win(ada, first)
    assert story.owed(ada) == 25_000
    assert sorted(Referral.objects.values_list("status", flat=True)) == ["joined", "paid"]


def test_hours_at_the_inviter_s_own_lab_do_not_count(ada: Expert, grace: Expert) -> None:
    join(grace, invite(ada).json()["code"])
    with platform():
        world = hours.build(expert=grace)
        hours.make_member(world, ada.user)
        approved(world)
    outbox.drain(now=DECIDED)
    clocks.check_referrals(by=PLATFORM, now=LATER)
    assert (Referral.objects.get().status, story.owed(ada)) == ("joined", 0)


def test_a_closed_programme_takes_nobody(ada: Expert, settings: Settings) -> None:
    settings.REFERRAL_PROGRAMME = []
    answer = invite(ada)
    assert (answer.status_code, answer.json()["code"]) == (409, "programme_closed")
    assert caller_of(ada)("GET", "/expert/referrals/programme").json()["open"] is False


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({"email": "no address"}, "/email"), ({"email": "ada@example.org"}, "/email"), ({"colour": "red"}, "/colour")],
)
def test_bad_invitations_are_told_by_field(ada: Expert, body: Any, pointer: str) -> None:
    answer = invite(ada, **body)
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
