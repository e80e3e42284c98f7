"""Looking at the books: statements of accounts as of any watermark, the journal as CSV, refunds by two people."""

from __future__ import annotations

import csv
import datetime as dt
import io
import threading
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connections
from pytest_django import Settings

from config import groups
from core import clock, tokens
from core.money import Money
from core.public import Tenant, User
from payments import accounts, journal_csv, ledger
from payments.models import Account, Funding, Refund
from payments.operations.labs import funding, refunds
from payments.operations.labs.refunds import NothingToRefund
from payments.operations.pay.four_eyes import OwnProposal
from payments.papers import spreadsheet
from payments.queries import account_statement, ledger_findings
from tests.core.api.conftest import Caller
from tests.payments import ledger_story as story
from tests.payments.ledger_story import NOW, platform
from tests.payments.test_money_desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)


def caller_of(lab: Tenant) -> Caller:
    key = tokens.mint_lab_key(tenant=lab, name="tests", scopes=["funding:write", "balance:read"])
    return Caller(Authorization=f"Bearer {key.secret}")


def only_funding() -> Funding:
    with platform():
        return Funding.objects.get()


def statement(caller: Caller, query: str) -> dict[str, Any]:
    answer = caller("GET", f"/api/v1/balance/statement?{query}")
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


@pytest.fixture
def lab() -> Tenant:
    made = story.new_lab(funded=100_000)
    expert = story.new_expert(ready=False)
    for n in range(5):
        story.earn(expert, 1_000 + n, lab=made, fee=100)
    return made


def test_opening_lines_and_closing_of_a_lab_s_money(lab: Tenant) -> None:
    found = statement(caller_of(lab), "currency=USD")
    assert (found["opening"]["amount"], found["closing"]["amount"]) == ("0.00", "944.90")
    assert [line["kind"] for line in found["lines"]] == ["lab_funded", *["time_approved"] * 5]
    assert found["lines"][0]["amount"]["amount"] == "1000.00"
    assert found["next"] is None


def test_a_watermark_gives_the_same_answer_for_ever(lab: Tenant) -> None:
    caller = caller_of(lab)
    first = statement(caller, "currency=USD")
    with platform():
        funding.announce(tenant_id=lab.pk, amount=Money(777, "USD"), by=story.SYSTEM, now=NOW)
    assert statement(caller, f"currency=USD&until={first['until']}") == first
    rest = statement(caller, f"currency=USD&since={first['until']}")
    assert (rest["opening"], rest["closing"]["amount"]) == (first["closing"], "952.67")
    assert [line["amount"]["amount"] for line in rest["lines"]] == ["7.77"]


def test_as_of_an_instant(lab: Tenant) -> None:
    early = story.MONDAY - dt.timedelta(days=3)
    found = statement(caller_of(lab), f"currency=USD&as_of={early:%Y-%m-%dT%H:%M:%SZ}")
    assert (found["closing"]["amount"], len(found["lines"])) == ("1000.00", 1)


def test_pages_join_without_gap_and_end_where_the_first_one_said(lab: Tenant) -> None:
    key = accounts.lab_prepaid(lab.pk, "USD")
    with platform():
        whole = account_statement.statement(key=key)
        page = account_statement.statement(key=key, limit=4)
        assert page.more
        funding.announce(tenant_id=lab.pk, amount=Money(777, "USD"), by=story.SYSTEM, now=NOW)
        rest = account_statement.statement(key=key, since=page.until, until=page.end)
    assert [*page.movements, *rest.movements] == whole.movements
    assert (page.closing_minor, rest.closing_minor, rest.more) == (rest.opening_minor, whole.closing_minor, False)


def test_a_lab_sees_no_account_of_another(lab: Tenant) -> None:
    stranger = caller_of(story.new_lab())
    assert statement(stranger, "currency=USD")["lines"] == []
    wrong = stranger("GET", "/api/v1/balance/statement?currency=USD&account=reserved&reservation=rsv_x")
    assert wrong.status_code == 404
    assert stranger("GET", "/api/v1/balance/statement?currency=XXX").status_code == 400


def test_any_account_has_a_statement_at_the_desk(lab: Tenant) -> None:
    with platform():
        account = Account.objects.get(kind="fee_income")
        closing = account_statement.balance_of(account)
    page = Desk().get(f"account/{account.pk}/statement/").content.decode()
    assert str(closing) == "5.00 USD"
    assert "$5.00" in page
    assert page.count("time approved") == 5


def test_the_journal_as_csv_sums_to_zero_and_continues_at_its_watermark(lab: Tenant, tmp_path: Path) -> None:
    file = tmp_path / "journal.csv"
    call_command("export_journal", "--output", str(file), stdout=io.StringIO())
    header, *rows, total, mark = list(csv.reader(file.open(encoding="utf-8", newline="")))
    assert tuple(header) == journal_csv.COLUMNS
    assert len(rows) == 2 + 5 * 3
    assert (total[0], total[10], total[12], total[13]) == ("total", "0.00", "1055.10", "1055.10")
    story.new_lab(funded=5)
    call_command("export_journal", "--after", mark[1], "--output", str(file), stdout=io.StringIO())
    later = list(csv.reader(file.open(encoding="utf-8", newline="")))
    assert [row[3] for row in later[1:-2]] == ["lab_funded", "lab_funded"]


def test_days_bound_the_export(lab: Tenant) -> None:
    out = io.StringIO()
    call_command("export_journal", "--from", "2026-11-14", "--to", "2026-11-14", stdout=out)
    events = [row[3] for row in csv.reader(io.StringIO(out.getvalue())) if len(row) > 3][1:-1]
    assert set(events) == {"time_approved"}


def test_the_desk_gives_the_file_with_the_codes_of_the_chart(lab: Tenant, settings: Settings) -> None:
    settings.CHART_OF_ACCOUNTS = {"cash": "1200", "cash:sandbox": "1210", "fee_income": "4400"}
    answer = Desk().client.post(
        "/admin/payments/journalentry/export/", {"first_day": "2026-10-01", "last_day": "2026-11-30"}
    )
    text = answer.getvalue().decode()
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    codes = {row[9] for row in csv.reader(io.StringIO(text)) if len(row) > 9}
    assert {"1210", "4400", "lab_prepaid"} <= codes


def test_no_cell_is_a_formula() -> None:
    assert [spreadsheet.defused(text) for text in ("=1+1", "@a", "-2", "+2", "fnd_1")] == [
        "'=1+1", "'@a", "'-2", "'+2", "fnd_1",
    ]  # fmt: skip


def test_the_watermark_waits_for_whoever_is_writing(lab: Tenant) -> None:
    """A lower id that commits later would be missed by an export that did not wait."""
    other, posted, done = lab.pk, threading.Event(), threading.Event()

    def write_slowly() -> None:
        with platform():
            funding.announce(tenant_id=other, amount=Money(1, "EUR"), by=story.SYSTEM, now=NOW)
            posted.set()
            done.wait(0.4)
        connections.close_all()

    writer = threading.Thread(target=write_slowly)
    writer.start()
    posted.wait(10)
    with platform():
        seen = ledger.settled_watermark()
    writer.join()
    with platform():
        assert seen == ledger.settled_watermark()


@pytest.mark.parametrize(("arrived", "announced"), [("400.00", "500.00"), ("612.34", "500.00")])
def test_another_amount_arrives(arrived: str, announced: str, settings: Settings) -> None:
    settings.FUNDING_SETTLES_AT_ONCE = False
    lab = story.new_lab()
    caller, desk = caller_of(lab), Desk("confirm_funding")
    body = {"amount": {"amount": announced, "currency": "USD"}}
    made = caller("POST", "/api/v1/funding", body, Idempotency_Key="f1").json()
    assert made["received"] is None
    row = only_funding()
    wrong = desk.post(f"funding/{row.pk}/arrived/", amount=arrived, currency="EUR", reason="Seen.")
    assert "currency that was announced" in wrong.content.decode()
    desk.post(f"funding/{row.pk}/arrived/", amount=arrived, currency="USD", reason="Seen.")
    found = caller("GET", f"/api/v1/funding/{made['id']}").json()
    assert (found["status"], found["amount"]["amount"], found["received"]["amount"]) == ("settled", announced, arrived)
    assert caller("GET", "/api/v1/balance").json()["balances"][0]["prepaid"]["amount"] == arrived


def test_a_large_refund_needs_a_second_person(settings: Settings) -> None:
    settings.REFUND_ALONE_MINOR = {"*": 50_000}
    lab = story.new_lab(funded=60_000)
    one, other = Desk("refund_lab", "approve_refund"), Desk("approve_refund")
    paid_in = only_funding()
    one.act("funding", "refund", paid_in.pk, confirmed="yes", reason="The project ended.")
    with platform():
        row = Refund.objects.get()
    assert (row.status, story.prepaid(lab)) == ("proposed", 60_000)
    page = one.act("refund", "approve", row.pk, confirmed="yes")
    assert "somebody else has to approve it" in page.content.decode()
    other.act("refund", "approve", row.pk, confirmed="yes")
    with platform():
        row.refresh_from_db()
    assert (row.status, row.decided_by, story.prepaid(lab)) == ("paid", other.user, 0)
    (listed,) = caller_of(lab)("GET", "/api/v1/refunds").json()["results"]
    assert (listed["status"], listed["amount"]["amount"]) == ("paid", "600.00")


def test_a_refused_refund_tells_the_lab_why_and_not_who(settings: Settings) -> None:
    settings.REFUND_ALONE_MINOR = {"*": 0}
    lab = story.new_lab(funded=60_000)
    one, other = Desk("refund_lab"), Desk("approve_refund")
    User.objects.filter(pk=other.user.pk).update(name="Ottilie Finanz")
    why = "w" * 290
    one.act("funding", "refund", only_funding().pk, confirmed="yes", reason=why)
    with platform():
        row = Refund.objects.get()
    too_long = other.act("refund", "refuse", row.pk, confirmed="yes", reason="x" * 301)
    assert "too long" in too_long.content.decode()
    with clock.frozen(NOW):
        other.act("refund", "refuse", row.pk, confirmed="yes", reason="An offer needs it.")
    with platform():
        row.refresh_from_db()
    assert (row.status, row.decided_by, row.decided_at, row.refunded_at) == ("refused", other.user, NOW, None)
    assert "An offer needs it." in other.get(f"refund/{row.pk}/history/").content.decode()
    answer = caller_of(lab)("GET", "/api/v1/refunds")
    (listed,) = answer.json()["results"]
    assert (listed["reason"], listed["note"]) == (why, "An offer needs it.")
    assert (dt.datetime.fromisoformat(listed["decided_at"]), listed["refunded_at"]) == (NOW, None)
    for name in ("Ottilie", other.user.email, one.user.email, other.user.public_id):
        assert name not in answer.content.decode()
    assert story.prepaid(lab) == 60_000


def test_who_may_give_back_is_not_who_may_let_it_go() -> None:
    groups.bring_up_to_date()
    for right, group in (("refund_lab", "finance_prepare"), ("approve_refund", "finance_release")):
        assert list(Group.objects.filter(permissions__codename=right).values_list("name", flat=True)) == [group]
    paid_in = story.new_lab(funded=500)
    clerk = Desk("confirm_funding", "approve_refund")
    assert "give the unused part back" not in clerk.get("funding/").content.decode()
    clerk.act("funding", "refund", only_funding().pk, confirmed="yes", reason="x")
    assert story.prepaid(paid_in) == 500
    Desk("refund_lab").act("funding", "refund", only_funding().pk, confirmed="yes", reason="x")
    assert story.prepaid(paid_in) == 0


def test_a_small_refund_goes_at_once_and_a_second_proposal_waits_its_turn(settings: Settings) -> None:
    settings.REFUND_ALONE_MINOR = {"*": 50_000, "EUR": 0}
    small, large = story.new_lab(funded=50_000), story.new_lab(funded=1, currency="EUR")
    by = story.new_user()
    with platform():
        rows = {row.tenant_id: row for row in Funding.objects.all()}
        assert refunds.refund(funding=rows[small.pk], reason="x", by=by, now=NOW).status == "paid"
        waits = refunds.refund(funding=rows[large.pk], reason="x", by=by, now=NOW)
        assert waits.status == "proposed"
    with platform(), pytest.raises(NothingToRefund):
        refunds.refund(funding=rows[large.pk], reason="x", by=by, now=NOW)
    with platform(), pytest.raises(OwnProposal):
        refunds.approve(refund=waits, by=by, now=NOW)
    with platform():
        refunds.refuse(refund=waits, reason="it is needed", by=story.new_user(), now=NOW)
    assert (story.prepaid(small), story.prepaid(large, "EUR")) == (0, 1)


def test_a_refund_that_was_used_meanwhile_is_not_paid(settings: Settings) -> None:
    settings.REFUND_ALONE_MINOR = {"*": 0}
    lab, expert = story.new_lab(funded=1_000), story.new_expert(ready=False)
    with platform():
        row = refunds.refund(funding=Funding.objects.get(), reason="x", by=story.new_user(), now=NOW)
    story.earn(expert, 1, lab=lab)
    with platform(), pytest.raises(NothingToRefund):
        refunds.approve(refund=row, by=story.new_user(), now=NOW)
    assert story.prepaid(lab) == 999


def test_a_chargeback_after_a_refund_takes_only_what_was_left() -> None:
    lab, finance = story.new_lab(funded=1_000), story.new_user()
    expert = story.new_expert(ready=False)
    story.earn(expert, 300, lab=lab)
    with platform():
        refunds.refund(funding=Funding.objects.get(), reason="x", by=finance, now=NOW)
        funding.reverse(funding=Funding.objects.get(), reason="chargeback", by=finance, now=NOW)
        owing = accounts.lab_receivable(lab.pk, "USD")
        assert ledger.balances(keys=[owing])[owing] == -300
        assert ledger_findings.findings() == []
    assert story.owed(expert) == 300


def test_the_clock_of_tests_is_the_clock_of_bookings(lab: Tenant) -> None:
    with clock.frozen(NOW):
        assert (
            statement(caller_of(lab), f"currency=USD&as_of={NOW:%Y-%m-%dT%H:%M:%SZ}")["closing"]["amount"] == "944.90"
        )
