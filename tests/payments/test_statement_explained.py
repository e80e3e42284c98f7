"""An expert takes his statements over HTTP and does every line again by his own arithmetic.

He knows what he is told: the lines, `/expert/earnings/{id}/explain` of each, and what that links to.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections import defaultdict
from collections.abc import Iterator
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from html import unescape
from typing import Any

import pytest
from pytest_django import Settings

from core import tokens
from core.durations import parse_duration
from payments.operations.hours import time_entries, timesheets
from payments.queries.statement_lines import KINDS
from tests.payments import explained_world
from tests.payments import hours_world as hours
from tests.payments.explained_world import Told
from tests.payments.hours_world import Caller

pytestmark = pytest.mark.django_db(transaction=True)
LAB_SCOPES = ["balance:read", "bonuses:write", "contracts:read", "invoices:read", "projects:write", "timesheets:write"]
CENT, TEN_THOUSAND = Decimal("0.01"), Decimal(10_000)


@pytest.fixture
def told(settings: Settings) -> Told:
    return explained_world.play(settings)


def amount(money: dict[str, str]) -> Decimal:
    return Decimal(money["amount"])


def half_up(value: Decimal) -> Decimal:
    return value.quantize(CENT, ROUND_HALF_UP)


def by_hand(seconds: int, rate: Decimal) -> Decimal:
    return half_up(seconds * rate / 3600)


def instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def statements(expert: Caller) -> list[Any]:
    listed = expert("GET", "/expert/statements").json()["results"][::-1]
    return [expert("GET", f"/expert/statements/{row['id']}").json() for row in listed]


class Bookkeeper:
    """Somebody with a calculator: one method for each kind of line."""

    def __init__(self, expert: Caller) -> None:
        self.expert = expert
        self.balance: dict[str, Decimal] = defaultdict(Decimal)
        self.lines: list[Any] = []

    def ask(self, path: str) -> Any:
        answer = self.expert("GET", f"/expert/{path}")
        assert answer.status_code == 200, (path, answer.content)
        return answer.json()

    def explain(self, subject: str) -> Any:
        return self.ask(f"earnings/{subject}/explain")

    def read(self, line: Any) -> None:
        """A line is what its explanation says that the ledger did, and comes out again by hand."""
        explained, shared = self.explain(line["subject"]), ("kind", "at", "amount", "text", "reverses", "seconds")
        moved = [{name: row[name] for name in shared} for row in explained["movements"] if row["account"] == "payable"]
        assert {name: line[name] for name in shared} in moved, (line, moved)
        assert amount(line["amount"]) == getattr(self, line["kind"])(line, explained), line
        self.lines.append(line)
        self.balance[line["amount"]["currency"]] += amount(line["amount"])

    def last(self, kind: str, subject: str) -> Any:
        return [line for line in self.lines if (line["kind"], line["subject"]) == (kind, subject)][-1]

    def owed(self, line: Any) -> Decimal:
        return self.balance[line["amount"]["currency"]]

    # -- Hours

    def time_approved(self, line: Any, explained: Any) -> Decimal:
        """The segment's seconds, and what corrections made of them, at the frozen rate; less what is held back."""
        time, subject = explained["time"], line["subject"]
        corrections = [row["seconds"] for row in time["adjustments"] if row["kind"] == "correction"]
        posted = sum(former["subject"] == subject for former in self.lines if former["kind"] == "time_approved")
        assert line["seconds"] == time["rounding"]["seconds"] + sum(corrections[:posted])
        (segment,) = (part for part in time["segments"] if part["id"] == subject)
        worked = instant(segment["ended_at"]) - instant(segment["started_at"])
        assert dt.timedelta(seconds=sum(map(parse_duration, segment["time"].values()))) == worked
        assert parse_duration(segment["time"]["billable"]) == time["rounding"]["seconds"]
        assert line["rate"] == time["snapshot"]["rate"]
        gross = by_hand(line["seconds"], amount(line["rate"]))
        exact = time["rounding"]["seconds"] * amount(line["rate"]) * 100 / 3600
        assert abs(Decimal(time["rounding"]["exact"]) - exact) < Decimal("0.000001")
        released = any((row["kind"], row["subject"]) == ("holdback_released", subject) for row in self.lines)
        held = Decimal(0) if released else half_up(gross * time["holdback"]["bp"] / TEN_THOUSAND)
        assert (amount(line["gross"]), amount(line["held_back"])) == (gross, held)
        return gross - held

    def time_reversed(self, line: Any, explained: Any) -> Decimal:
        """The exact opposite of what was posted, and the adjustment is the difference of what follows."""
        former, change = self.last("time_approved", line["reverses"]), explained["adjustment"]
        assert (line["seconds"], change["time_entry"]) == (-former["seconds"], line["reverses"])
        after = by_hand(former["seconds"] + change["seconds"], amount(former["rate"]))
        assert amount(change["amount"]) == after - amount(former["gross"])
        assert change["reason"]
        return -amount(former["amount"])

    def true_up(self, line: Any, explained: Any) -> Decimal:
        """Each day's time at its floor, rounded up once, less what was earned; the time is in the timesheet."""
        why = explained["true_up"]
        week = self.ask(f"timesheets/{why['timesheet']}")["entries"]
        for day in why["days"]:
            entries = [row["time"] for row in week if row["day"] == day["day"]]
            worked = sum(parse_duration(time["billable"]) + parse_duration(time["unpaid"]) for time in entries)
            assert parse_duration(day["worked"]) == worked
        due = sum((parse_duration(day["worked"]) * amount(day["floor"]) for day in why["days"]), Decimal(0)) / 3600
        assert amount(why["due"]) == due.quantize(CENT, ROUND_CEILING)
        assert amount(why["earned"]) == sum(amount(row["amount"]) for row in week)
        return amount(why["due"]) - amount(why["earned"]) - amount(why["added_before"])

    def holdback_released(self, line: Any, explained: Any) -> Decimal:
        """What was held back of the hours as they stood, on or after its date."""
        assert instant(explained["time"]["holdback"]["release_at"]) <= instant(line["at"])
        return amount(self.last("time_approved", line["subject"])["held_back"])

    def holdback_reversed(self, line: Any, explained: Any) -> Decimal:
        """What was released of hours that are corrected."""
        assert explained["adjustment"]["time_entry"] == line["reverses"]
        return -amount(self.last("holdback_released", line["reverses"])["amount"])

    # -- Beside the hours

    def bonus(self, line: Any, explained: Any) -> Decimal:
        """What somebody gave, with a reason."""
        assert explained["adjustment"]["reason"] in line["text"]
        return amount(explained["adjustment"]["amount"])

    def referral_bonus(self, line: Any, explained: Any) -> Decimal:
        """The terms of the invitation, which were met in time."""
        why = explained["referral"]
        (row,) = (row for row in self.ask("referrals")["results"] if row["id"] == why["referral"])
        assert (row["status"], row["pay"], row["hours"]) == ("paid", line["subject"], why["hours"])
        assert instant(row["created_at"]) < instant(why["joined_at"]) < instant(why["reached_at"])
        assert instant(why["reached_at"]) < instant(why["reach_by"])
        assert (row["bonus"], why["note"]) == (why["bonus"], "")
        return amount(why["bonus"])

    def clawback(self, line: Any, explained: Any) -> Decimal:
        """A part of what it names, and never more of that than was paid."""
        taken = explained["adjustment"]
        source = self.explain(taken["takes_back"])
        changes = source["changes"] or source["time"]["adjustments"]
        so_far = [row for row in changes if row["kind"] in {"clawback", "reinstatement"}]
        assert (taken["takes_back"], taken["reason"]) == (line["reverses"], line["text"].partition(": ")[2])
        assert taken in so_far
        assert amount(source["amount"]) + sum(amount(row["amount"]) for row in so_far) >= 0
        return amount(taken["amount"])

    def clawback_reversed(self, line: Any, explained: Any) -> Decimal:
        """All that was taken."""
        assert explained["adjustment"]["takes_back"] == line["reverses"]
        return -amount(self.last("clawback", line["reverses"])["amount"])

    def write_off(self, line: Any, explained: Any) -> Decimal:
        """At most what was owed, by the statement's own sum up to here."""
        why = explained["write_off"]
        assert amount(why["balance_before"]) == self.owed(line) < 0
        assert amount(why["balance_after"]) == amount(why["balance_before"]) + amount(why["amount"]) <= 0
        return amount(why["amount"])

    def dispute_opened(self, line: Any, explained: Any) -> Decimal:
        """The pay that is contested and not held back already, as far as it was still here."""
        why = explained["dispute"]

        def here(seconds: int) -> Decimal:
            gross = by_hand(seconds, amount(why["rate"]))
            return gross - half_up(gross * why["holdback_bp"] / TEN_THOUSAND)

        contested = here(why["claimed_seconds"]) - here(why["proposed_seconds"])
        assert (amount(why["contested"]), amount(why["owed_then"])) == (contested, self.owed(line))
        assert line["time_entry"] == why["dispute"]["time_entry"]
        return -min(contested, self.owed(line))

    def dispute_resolved(self, line: Any, explained: Any) -> Decimal:
        """What was set aside comes back; what was decided against him is a correction, named here."""
        why = explained["dispute"]
        taken = self.explain(why["correction"])["adjustment"]
        assert taken["seconds"] == why["counted_seconds"] - why["claimed_seconds"]
        assert line["reverses"] == line["subject"]
        return -amount(self.last("dispute_opened", line["subject"])["amount"])

    # -- Paid and exchanged

    def payout_initiated(self, line: Any, explained: Any) -> Decimal:
        """All that was owed at the cutoff: what is sent, and the tax of it."""
        paid = explained["payout"]
        gross, withheld = amount(paid["gross"]), amount(paid["withheld"])
        assert withheld == half_up(gross * paid["withheld_bp"] / TEN_THOUSAND)
        assert amount(paid["sent"]) == gross - withheld
        assert amount(paid["opening"]) + amount(paid["credited"]) == gross + amount(paid["closing"])
        assert amount(paid["closing"]) == self.owed(line) - gross
        return -gross

    def payout_rejected(self, line: Any, explained: Any) -> Decimal:
        """All that was on its way."""
        assert line["text"].endswith(": The account is closed. (AC04)")
        return -amount(self.last("payout_initiated", line["reverses"])["amount"])

    def payout_returned(self, line: Any, explained: Any) -> Decimal:
        """All that was paid, and the tax of it."""
        assert (explained["payout"]["status"], explained["payout"]["reason"]) == ("returned", "MD07")
        assert line["text"].endswith(": The provider's reason is MD07.")
        return -amount(self.last("payout_initiated", line["reverses"])["amount"])

    def payout_lost(self, line: Any, explained: Any) -> Decimal:
        """All that was said to be paid, and the tax of it."""
        assert (explained["payout"]["status"], explained["payout"]["reason"]) == ("returned", "not_arrived")
        assert line["text"].endswith(": It was traced, and did not arrive. (not_arrived)")
        return -amount(self.last("payout_initiated", line["reverses"])["amount"])

    def fx_exchanged(self, line: Any, explained: Any) -> Decimal:
        """What was sold at the quote, rounded once; each currency has its side."""
        why = explained["exchanged"]
        exact = amount(why["sold"]) * Decimal(why["rate"]) * (TEN_THOUSAND - why["spread_bp"]) / TEN_THOUSAND
        assert abs(Decimal(why["exact"]) - 100 * exact) < Decimal("0.000001")
        assert amount(why["bought"]) == half_up(exact)
        is_sold = line["amount"]["currency"] == why["sold"]["currency"]
        return -amount(why["sold"]) if is_sold else half_up(exact)


def test_every_line_of_every_kind_can_be_done_again(told: Told) -> None:
    books = Bookkeeper(told.expert)
    for statement in statements(told.expert):
        currency = statement["currency"]
        assert amount(statement["opening"]) == books.balance[currency]
        for line in statement["lines"]:
            books.read(line)
        assert amount(statement["closing"]) == books.balance[currency]
        assert amount(statement["paid"]) + amount(statement["withheld"]) == -amount(statement["lines"][-1]["amount"])
    assert {line["kind"] for line in books.lines} == set(KINDS)
    links = {line["reverses"].partition("_")[0] for line in books.lines if line["reverses"]}
    assert links == {"tme", "adj", "ppy", "dsp", "pay"}
    posted = [line["seconds"] for line in books.lines if line["kind"].startswith("time_")]
    assert {9_000, -3_660, 2_345, 1_801, 8_111} <= set(posted)
    with_tax = [line for line in statements(told.expert) if amount(line["withheld"])]
    assert len(with_tax) == 3


def papers_of(expert: Caller) -> Iterator[tuple[Any, list[dict[str, str]], str]]:
    """Each statement, its rows as CSV, and its page as text."""
    for statement in statements(expert):
        path = statement["download"].removeprefix("/api/v1")
        table, page = (expert("GET", f"{path}?format={form}").content.decode() for form in ("csv", "html"))
        yield statement, list(csv.DictReader(io.StringIO(table)))[1:-1], unescape(page)


def test_the_papers_say_the_same_and_name_what_is_undone(told: Told) -> None:
    for statement, rows, page in papers_of(told.expert):
        for line, row in zip(statement["lines"], rows, strict=True):
            assert (row["kind"], row["subject"], row["amount"]) == (
                line["kind"], line["subject"], line["amount"]["amount"],
            )  # fmt: skip
            assert (row["reverses"], row["time_entry"]) == (line["reverses"] or "", line["time_entry"] or "")
            assert row["seconds"] == ("" if line["seconds"] is None else str(line["seconds"]))
            assert line["text"] in page
            assert line["subject"] in page
            assert (line["reverses"] or "") in page
    assert "undoes tme_" in page or "undoes adj_" in page


def test_a_dispute_before_the_approval_set_nothing_aside() -> None:
    with hours.platform():
        world = hours.build(holdback_bp=1_000)
        end = hours.MONDAY + dt.timedelta(hours=1)
        (entry,) = time_entries.log(
            contract=world.contract, activity="task", claim=None, started_at=hours.MONDAY, ended_at=end, reason="call",
            now=end,
        )  # fmt: skip
        timesheets.submit(timesheet=entry.timesheet, by=hours.PLATFORM, now=end)
    expert, lab = hours.expert_caller(world), hours.lab_caller(world)
    body = {"decided_by": world.member.email, "reason": "A break.", "proposed": "PT20M"}
    made = lab("POST", f"/time-entries/{entry.public_id}/dispute", body, at=end).json()
    told = expert("GET", f"/expert/earnings/{made['id']}/explain", at=end).json()
    why = told["dispute"]
    assert (told["movements"], why["owed_then"], why["set_aside"]["amount"], why["correction"]) == (
        [],
        None,
        "0.00",
        None,
    )
    assert (why["claimed_seconds"], why["proposed_seconds"], why["counted_seconds"]) == (3_600, 1_200, None)


def test_nobody_else_is_told(told: Told) -> None:
    with hours.platform():
        stranger = hours.expert_caller(hours.build(name="Bob"))
    lab = Caller(tokens.mint_lab_key(tenant=told.world.tenant, name="all", scopes=LAB_SCOPES).secret)
    made = statements(told.expert)
    for path in (f"/expert/statements/{made[0]['id']}", made[0]["download"].removeprefix("/api/v1") + "?format=csv"):
        assert (stranger("GET", path).status_code, lab("GET", path).status_code) == (404, 403), path
    for subject in {line["subject"] for statement in made for line in statement["lines"]}:
        path = f"/expert/earnings/{subject}/explain"
        assert (stranger("GET", path).status_code, lab("GET", path).status_code) == (404, 403), path
    for wrong in ("pay_01k9w3v6z8f2qr5t4h7xnm0ceg", "dsp_x", "xyz_01k9w3v6z8f2qr5t4h7xnm0ceg", "tme_"):
        assert stranger("GET", f"/expert/earnings/{wrong}/explain").status_code == 404
    assert Caller("nonsense")("GET", path).status_code == 401
