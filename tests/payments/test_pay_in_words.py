"""What is said to an expert about his pay: in words, the same on every paper, and with what he can do."""

from __future__ import annotations

import csv
import datetime as dt
import io

import pytest
from pypdf import PdfReader

from core import tokens
from core.money import Money
from experts.public import Expert, Notice
from payments.models import Adjustment, Payout, PlatformPay, Statement
from payments.operations.pay import bonuses
from payments.operations.pay.bonuses import Bonus
from payments.operations.rails import payouts, tracking
from payments.queries.statement_lines import headline
from tests.core.api.conftest import Caller
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments.hours_world import World, platform
from tests.payments.ledger_story import NOW
from tests.payments.test_money_api import expert_caller, get

pytestmark = pytest.mark.django_db(transaction=True)
WEEK = dt.timedelta(days=7)
CLOSED = "The account is closed. (AC04)"
CLOSED_AR = "الحساب مغلق."


def told(expert: Expert, kind: str) -> list[tuple[str, str]]:
    with platform():
        rows = Notice.objects.filter(expert=expert, kind=kind).order_by("pk")
        return list(rows.values_list("title", "body"))


def came_back(kind: str, code: str) -> Expert:
    """An expert whose payout did not stay with him, and was paid a week later."""
    ada = story.new_expert(account="acct-ada")
    lab = story.new_lab(funded=100_000)
    story.earn(ada, 20_000, lab=lab)
    story.fault(kind, code=code, account="acct-ada")
    story.released_run()
    story.send_and_track()
    tracking.follow_settlements(now=NOW + dt.timedelta(days=4))
    story.released_run(now=NOW + WEEK)
    story.send_and_track(NOW + WEEK)
    return ada


@pytest.mark.parametrize(
    ("kind", "event", "label"),
    [
        ("reject", "payout.failed", "Payout failed, money back"),
        ("return", "payout.returned", "Payout returned by the bank"),
    ],
)
def test_why_money_came_back_is_said_in_words_everywhere(kind: str, event: str, label: str) -> None:
    ada = came_back(kind, "AC04")
    ((title, body),) = told(ada, event)
    assert title.startswith("Your payout of 200.00 USD ")
    assert CLOSED in body
    assert "Please check your payout method. The money stays yours: the next pay run pays it" in body
    caller = expert_caller(ada)
    with platform():
        statement = Statement.objects.filter(expert=ada).latest("pk").public_id
        first = Payout.objects.filter(expert=ada).earliest("pk").public_id
    path = f"expert/statements/{statement}/download"
    rows = csv.DictReader(io.StringIO(get(caller, f"{path}?format=csv").content.decode()))
    assert f"{label}: {CLOSED}" in [row["text"] for row in rows]
    lines = get(caller, f"expert/statements/{statement}").json()["lines"]
    assert f"{label}: {CLOSED}" in [line["text"] for line in lines]
    assert CLOSED in get(caller, f"{path}?format=html").content.decode()
    explained = get(caller, f"expert/earnings/{first}/explain").json()["payout"]
    assert (explained["reason"], explained["reason_text"]) == ("AC04", "The account is closed.")


def test_why_money_came_back_is_said_in_arabic_too() -> None:
    ada = came_back("return", "AC04")
    secret = tokens.mint_expert_token(user=ada.user, name="tests").secret
    arabic = Caller(Authorization=f"Bearer {secret}", Accept_Language="ar")
    with platform():
        path = f"expert/statements/{Statement.objects.latest('pk').public_id}/download"
    assert CLOSED_AR in get(arabic, f"{path}?format=html").content.decode()
    sheets = PdfReader(io.BytesIO(get(arabic, f"{path}?format=pdf").content)).pages
    assert CLOSED_AR.rstrip(".") in "".join(sheet.extract_text() for sheet in sheets)


@pytest.mark.parametrize(
    ("code", "said", "advice"),
    [
        ("AM02", "A limit on our side was reached. (AM02)", "Nothing is wrong with your account."),
        ("XY99", "The provider's reason is XY99.", "Please check your payout method."),
        ("", "No reason was given.", "Please check your payout method."),
    ],
)
def test_an_expert_is_not_sent_after_what_is_not_his_to_mend(code: str, said: str, advice: str) -> None:
    ada = story.new_expert()
    story.earn(ada, 20_000, lab=story.new_lab(funded=100_000))
    run = story.released_run()
    with platform():
        payout = payouts.locked([run.payouts.get().pk], now=NOW)[0]
        Payout.objects.filter(pk=payout.pk).update(status="submitted")
        payout.refresh_from_db()
        payouts.failed(payout, code=code, now=NOW)
    ((_title, body),) = told(ada, "payout.failed")
    assert body.startswith(f"{said} {advice} The money stays yours")


@pytest.fixture
def world() -> World:
    with platform():
        return hours.build()


def test_a_bonus_is_headed_by_the_name_it_has_on_statements(world: World) -> None:
    with platform():
        bonuses.pay(
            bonus=Bonus(world.contract, Money(7_500, "USD"), "Well done"),
            decided_by=world.member,
            by=hours.PLATFORM,
            now=NOW,
        )
    assert [title for title, _body in told(world.expert, "bonus.paid")] == ["Bonus: 75.00 USD"]


def test_every_change_of_pay_has_a_headline_in_words() -> None:
    money = Money(-500, "JPY")
    heads = {kind: headline(kind, money) for kind in {*Adjustment.Kind.values, *PlatformPay.Kind.values}}
    assert heads["clawback"] == "Taken back: -500 JPY"
    assert heads["reinstatement"] == "Given back: -500 JPY"
    assert heads["referral"] == "Referral bonus: -500 JPY"
    assert all(head[0].isupper() for head in heads.values())


@pytest.mark.parametrize("path", ["expert/earnings", "expert/timesheets", "expert/time-entries"])
@pytest.mark.parametrize(
    ("week", "code", "said"),
    [
        ("2026-48", "invalid", 'A week is written "2026-W47"'),
        ("2026-W54", "no_such_week", "no such week"),
        ("2027-W53", "no_such_week", "no such week"),
        ("0000-W01", "no_such_week", "no such week"),
    ],
)
def test_a_week_that_there_is_not_is_told(path: str, week: str, code: str, said: str) -> None:
    answer = get(expert_caller(story.new_expert()), f"{path}?week={week}")
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["pointer"], error["code"]) == (400, "?week", code)
    assert said in error["detail"]


def test_week_53_is_a_week_where_the_year_has_it() -> None:
    assert get(expert_caller(story.new_expert()), "expert/earnings?week=2026-W53").status_code == 200
