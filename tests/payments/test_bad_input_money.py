"""Every wrong request about a lab's money or an expert's pay: it is refused by name, and nothing moves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import LazySettings

from core.public import User
from marketplace.public import LabMember
from payments.models import Milestone
from payments.operations.pay import milestones
from tests.invariants import assert_money_is_whole
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments.hours_world import MONDAY, Caller, World, platform
from tests.payments.refusals import Bad, Refusals, at_every_door, by_whom, money, wrong_amounts

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)
CFO = {"decided_by": "cfo@aurora.example"}
OTHER = "01m80neg09e0nt9th0cpkhb0m0"
IBAN = {
    "type": "iban",
    "currency": "EUR",
    "country": "DE",
    "holder": "Ada",
    "details": {"iban": "DE89 3704 0044 0532 0130 00"},
}
AGREED = {"sell": "USD", "buy": "EUR", "most_spread_bp": 75, "least_rate": "0.9", "consent": True}
SIGNED = {"form": "self_declaration", "legal_name": "Ada", "country": "CH", "signed_name": "Ada"}


@dataclass
class Money:
    """A lab with money and two who decide, one without, and quotes of all sorts."""

    world: World
    poor: World
    rival: World

    def __post_init__(self) -> None:
        self.decided_by = {"decided_by": self.world.member.email}
        self.project = self.world.contract.project.public_id
        another = hours.contract_of(self.world, hours.make_expert("another@example.org"))
        self.other_opening = another.opening.public_id
        self.quote, self.rich = self.quoted("EUR", "0.9"), self.quoted("IDR", "99999999999")
        self.nothing = self.quoted("JPY", "0.000001")
        self.stale = self.quoted("EUR", "0.8", at=MONDAY - DAY)

    def quoted(self, buy: str, rate: str, *, at: dt.datetime = MONDAY - dt.timedelta(minutes=1)) -> str:
        """A quote for an hour."""
        return story.quoted(rate, sell="USD", buy=buy, valid_until=at + dt.timedelta(hours=1), now=at).public_id

    def bonus(self, amount: Any, **more: Any) -> dict[str, Any]:
        """One bonus, without who decides."""
        return {"contract": self.world.contract.public_id, "amount": amount, "reason": "Found a mistake.", **more}

    def milestone(self, **more: Any) -> dict[str, Any]:
        """A promise."""
        return {
            "project": self.project,
            "title": "One good hour",
            "basis": "approved_hours",
            "count": 1,
            "amount": money("50.00"),
            "budget": money("100.00"),
            **self.decided_by,
            **more,
        }


@pytest.fixture
def scene(settings: LazySettings) -> Money:
    settings.RATE_LIMITS_ENABLED = False
    with platform():
        world = hours.build()
        for name, role in (("cfo", LabMember.Role.ADMIN), ("reviewer", LabMember.Role.REVIEWER)):
            user = User.objects.create_user(f"{name}@aurora.example", "pass")
            LabMember.objects.create(tenant=world.tenant, user=user, role=role)
        return Money(world, hours.build(name="Poor", funded_minor=0), hours.build(name="Borealis"))


@pytest.fixture
def refuse(scene: Money) -> Refusals:
    pays = ("bonuses:write", "funding:write", "timesheets:write", "balance:read")
    with platform():
        callers: dict[str, Caller] = {
            "lab": hours.lab_caller(scene.world, *pays),
            "poor": hours.lab_caller(scene.poor, *pays),
            "rival": hours.lab_caller(scene.rival, *pays),
            "cfo": hours.member_caller(scene.world, CFO["decided_by"], *pays),
            "reader": hours.lab_caller(scene.world, "bonuses:read", "balance:read", "funding:read"),
            "expert": hours.expert_caller(scene.world),
            "stranger": hours.expert_caller(scene.rival),
        }
    return Refusals(callers)


def amounts(scene: Money) -> Iterator[Bad]:
    """Wherever an amount is taken."""
    whose = scene.decided_by
    yield from wrong_amounts("/funding", lambda bad: {"amount": bad}, "/amount")
    yield from wrong_amounts("/balance/conversions", lambda bad: {"quote": scene.quote, "amount": bad}, "/amount")
    yield from wrong_amounts(
        "/expert/exchanges", lambda bad: {"quote": scene.quote, "amount": bad}, "/amount", who="expert"
    )
    yield from wrong_amounts("/bonuses", lambda bad: {**scene.bonus(bad), **whose}, "/amount")
    good = scene.bonus(money("1.00"))
    yield from wrong_amounts(
        "/bonuses/bulk", lambda bad: {"bonuses": [good, scene.bonus(bad)], **whose}, "/bonuses/1/amount"
    )
    yield from wrong_amounts("/milestones", lambda bad: scene.milestone(amount=bad), "/amount")
    yield from wrong_amounts("/milestones", lambda bad: scene.milestone(budget=bad), "/budget")


def exchanges(scene: Money) -> Iterator[Bad]:
    """Labs that convert, experts that exchange."""
    yield from at_every_door("/funding", {"amount": money("5.00")})
    for path, who in (("/balance/conversions", "lab"), ("/expert/exchanges", "expert")):
        yield from at_every_door(path, {"quote": scene.quote, "amount": money("5.00")}, who=who)
        for what, quote, offered, status, code, pointer in (
            ("another currency", scene.quote, money("5.00", "EUR"), 400, "invalid", "/amount/currency"),
            ("a stale quote", scene.stale, money("5.00"), 409, "quote_expired", ""),
            ("no such quote", f"fxq_{OTHER}", money("5.00"), 404, "not_found", ""),
            ("a project for a quote", scene.project, money("5.00"), 404, "not_found", ""),
            ("a blank quote", " ", money("5.00"), 400, "invalid", "/quote"),
            ("a quote without end", "x" * 41, money("5.00"), 400, "invalid", "/quote"),
        ):
            yield Bad(what, path, {"quote": quote, "amount": offered}, status, code, pointer, who=who)
    for what, quote, amount, status, code, pointer in (
        ("more than there is", scene.quote, "9999999.00", 409, "insufficient_funds", ""),
        ("what buys nothing", scene.nothing, "0.01", 409, "too_little_to_exchange", ""),
        ("what buys too much to be booked", scene.rich, "10000000000000.00", 400, "invalid", "/amount/amount"),
    ):
        yield Bad(what, "/balance/conversions", {"quote": quote, "amount": money(amount)}, status, code, pointer)
    body = {"quote": scene.quote, "amount": money("5.00")}
    yield Bad("without money", "/balance/conversions", body, 409, "insufficient_funds", who="poor")
    yield Bad("nowhere to pay it to", "/expert/exchanges", body, 409, "nowhere_to_pay", who="expert")


def standing(_scene: Money) -> Iterator[Bad]:
    """Exchanges from now on."""
    path = "/expert/exchange-instructions"
    yield from at_every_door(path, AGREED, who="expert")
    for what, change, status, code, pointer in (
        ("no consent", {"consent": False}, 400, "consent_needed", "/consent"),
        ("one currency", {"buy": "USD"}, 400, "invalid", "/buy"),
        ("no such currency", {"buy": "XXX"}, 400, "invalid", "/buy"),
        ("a negative spread", {"most_spread_bp": -1}, 400, "invalid", "/most_spread_bp"),
        ("a spread of everything", {"most_spread_bp": 10_000}, 400, "invalid", "/most_spread_bp"),
        ("a negative rate", {"least_rate": "-0.9"}, 400, "invalid", "/least_rate"),
        ("a rate without end", {"least_rate": "9" * 12}, 400, "invalid", "/least_rate"),
        ("no number", {"least_rate": "NaN"}, 400, "invalid", "/least_rate"),
        ("nowhere to pay it to", {}, 409, "nowhere_to_pay", ""),
    ):
        yield Bad(what, path, {**AGREED, **change}, status, code, pointer, who="expert")
    yield Bad("revoke none", f"{path}/fxi_{OTHER}/revoke", None, 404, "not_found", who="expert")


def bonuses(scene: Money) -> Iterator[Bad]:
    """One, or many."""
    whose, row = scene.decided_by, scene.bonus(money("5.00"))
    one, many = {**row, **whose}, {"bonuses": [row], **whose}
    for path, body in (("/bonuses", one), ("/bonuses/bulk", many)):
        yield from at_every_door(path, body)
        yield from by_whom(path, body)
    euros, foreign = scene.bonus(money("5.00", "EUR")), {**row, "contract": scene.rival.contract.public_id}
    yield Bad("another currency", "/bonuses", {**euros, **whose}, 400, "invalid", "/amount/currency")
    yield Bad("a blank reason", "/bonuses", {**one, "reason": " "}, 400, "invalid", "/reason")
    yield Bad("another lab's contract", "/bonuses", {**foreign, **whose}, 404, "not_found")
    here = {**row, "contract": scene.poor.contract.public_id}
    nobody = {"decided_by": scene.poor.member.email}
    yield Bad("without money", "/bonuses", {**here, **nobody}, 409, "insufficient_funds", who="poor")
    yield Bad(
        "many without money", "/bonuses/bulk", {"bonuses": [here], **nobody}, 409, "insufficient_funds", who="poor"
    )
    for what, rows, pointers in (
        ("none", [], "/bonuses"),
        ("more than a thousand", [row] * 1001, "/bonuses"),
        ("not a list", row, "/bonuses"),
        ("the same twice", [row, row], "/bonuses/1"),
        ("another currency", [row, euros], "/bonuses/1/amount/currency"),
        ("another lab's", [foreign, row], "/bonuses/0/contract"),
        ("a blank reason", [row, {**row, "reason": " "}], "/bonuses/1/reason"),
        ("two wrong rows", [scene.bonus(money("0.00")), row, scene.bonus(money("-1.00"))],
         "/bonuses/0/amount/amount /bonuses/2/amount/amount"),
        ("a row that is none", [row, 7], "/bonuses/1"),
    ):  # fmt: skip
        yield Bad(what, "/bonuses/bulk", {"bonuses": rows, **whose}, 400, "invalid", pointers)


def promises(scene: Money) -> Iterator[Bad]:
    """Milestones."""
    yield from at_every_door("/milestones", scene.milestone())
    yield from by_whom("/milestones", scene.milestone())
    for what, change, pointers in (
        ("an opening of another project", {"opening": scene.other_opening}, "/opening"),
        ("another lab's opening", {"opening": scene.rival.contract.opening.public_id}, "/opening"),
        ("another lab's project", {"project": scene.rival.contract.project.public_id}, "/project"),
        ("a contract for a project", {"project": scene.world.contract.public_id}, "/project"),
        ("less than one of them", {"budget": money("49.99")}, "/budget/amount"),
        ("other currencies", {"amount": money("5.00", "EUR"), "budget": money("9.00", "GBP")},
         "/amount/currency /budget/currency"),
        ("none of it", {"count": 0}, "/count"),
        ("more than anybody works", {"count": 100_001}, "/count"),
        ("half of it", {"count": 0.5}, "/count"),
        ("a blank title", {"title": " "}, "/title"),
    ):  # fmt: skip
        yield Bad(what, "/milestones", scene.milestone(**change), 400, "invalid", pointers)


def details(_scene: Money) -> Iterator[Bad]:
    """Where an expert's money goes."""
    path = "/expert/payout-methods"
    yield from at_every_door(path, IBAN, who="expert")
    for what, change, pointer in (
        ("no such currency", {"currency": "XXX"}, "/currency"),
        ("a currency in small letters", {"currency": "eur"}, "/currency"),
        ("no such country", {"country": "ZZ"}, "/country"),
        ("three letters", {"country": "DEU"}, "/country"),
        ("no such type", {"type": "cash"}, "/type"),
        ("a blank holder", {"holder": " "}, "/holder"),
        ("a holder without end", {"holder": "x" * 141}, "/holder"),
        ("a mistyped IBAN", {"details": {"iban": "DE88 3704 0044 0532 0130 00"}}, "/details/iban"),
        ("no IBAN", {"details": {}}, "/details/iban"),
        ("another type's detail", {"details": {"account": "acct-1"}}, "/details/account"),
        ("a detail that nobody has", {"details": {"swift": "X"}}, "/details/swift"),
        ("a number for details", {"details": 7}, "/details"),
    ):
        yield Bad(what, path, {**IBAN, **change}, 400, "invalid", pointer, who="expert")
    yield Bad("remove none", f"{path}/pmt_{OTHER}/remove", None, 404, "not_found", who="expert")


def papers(_scene: Money) -> Iterator[Bad]:
    """Tax papers and invitations."""
    path = "/expert/tax-profile"
    yield from at_every_door(path, SIGNED, who="expert")
    for what, change, pointers in (
        ("no such country", {"country": "ZZ"}, "/country"),
        ("no such form", {"form": "w7"}, "/form"),
        ("a W-9 abroad", {"form": "w9", "tax_id": "12-3456789"}, "/form"),
        ("a W-8BEN at home", {"form": "w8ben", "country": "US"}, "/form"),
        ("a W-9 without a number", {"form": "w9", "country": "US"}, "/tax_id"),
        ("a mistyped VAT id", {"form": "eu_vat", "country": "DE", "tax_id": "DE136695977"}, "/tax_id"),
        ("another country's VAT id", {"form": "eu_vat", "country": "FR", "tax_id": "DE136695976"}, "/tax_id"),
        ("billing without VAT", {"self_billing": True, "address": "Bern"}, "/self_billing"),
        ("blank names", {"legal_name": " ", "signed_name": " "}, "/legal_name /signed_name"),
    ):
        yield Bad(what, path, {**SIGNED, **change}, 400, "invalid", pointers, who="expert")
    invite = "/expert/referrals"
    yield from at_every_door(invite, {"email": "grace@example.org"}, who="expert")
    for what, email in (
        ("no address", "grace"),
        ("two addresses", "a@example.org,b@example.org"),
        ("an address without end", f"{'x' * 250}@example.org"),
        ("a number", 7),
        ("one's own", "expert-aurora@example.org"),
    ):
        yield Bad(what, invite, {"email": email}, 400, "invalid", "/email", who="expert")
    for what, code, status, problem, pointer in (
        ("no such code", "K7M2P9QWXA4B", 409, "cannot_join", ""),
        ("a blank code", " ", 400, "invalid", "/code"),
        ("a code without end", "x" * 25, 400, "invalid", "/code"),
    ):
        yield Bad(what, f"{invite}/join", {"code": code}, status, problem, pointer, who="expert")


def decisions(scene: Money, proposal: str, *, approved: bool) -> Iterator[Bad]:
    """The second member's word: while it is wanted, and when it was given."""
    path, why = f"/bonuses/{proposal}", {"reason": "The budget is spent."}
    if approved:
        for way, body in (("approve", CFO), ("refuse", {**CFO, **why}), ("withdraw", scene.decided_by)):
            yield Bad(f"{way} what was approved", f"{path}/{way}", body, 409, "invalid_transition")
        return
    yield from at_every_door(f"{path}/approve", CFO)
    for way, body, other in (
        ("approve", CFO, scene.decided_by),
        ("refuse", {**CFO, **why}, {**scene.decided_by, **why}),
    ):
        yield from by_whom(f"{path}/{way}", body)
        yield Bad(f"{way} one's own", f"{path}/{way}", other, 403, "own_proposal")
        yield Bad(f"{way} in a colleague's name", f"{path}/{way}", other, 403, "permission_denied", who="cfo")
        yield Bad(f"{way} another lab's", f"{path}/{way}", body, 404, "not_found", who="rival")
        yield Bad(f"{way} none", f"/bonuses/prp_{OTHER}/{way}", body, 404, "not_found")
        yield Bad(f"{way} a project", f"/bonuses/{scene.project}/{way}", body, 404, "not_found")
    yield from by_whom(f"{path}/withdraw", CFO)
    yield Bad("approve with anybody's key", f"{path}/approve", CFO, 409, "own_key_needed")
    yield Bad("withdraw another's", f"{path}/withdraw", CFO, 403, "own_proposal")
    yield Bad("refuse for no reason", f"{path}/refuse", {**CFO, "reason": " "}, 400, "invalid", "/reason")
    yield Bad("refuse without a reason", f"{path}/refuse", CFO, 400, "invalid", "/reason")


@pytest.mark.parametrize(
    "table", [amounts, exchanges, standing, bonuses, promises, details, papers], ids=lambda table: table.__name__
)
def test_wrong_requests_about_money_change_nothing(scene: Money, refuse: Refusals, table: Any) -> None:
    refuse.all(table(scene))
    refuse.verdict()
    assert_money_is_whole()


def test_what_a_lab_paid_once_is_not_paid_again(scene: Money, refuse: Refusals) -> None:
    whose = scene.decided_by
    refuse.once("/funding", {"amount": money("5.00")}, status=201)
    refuse.once("/balance/conversions", {"quote": scene.quote, "amount": money("5.00")}, status=201)
    refuse.once("/bonuses", {**scene.bonus(money("5.00")), **whose}, status=201)
    rows = [scene.bonus(money(f"{n}.00")) for n in (6, 7)]
    refuse.once("/bonuses/bulk", {"bonuses": rows, **whose}, status=201)
    made = refuse.once("/bonuses", {**scene.bonus(money("2000.00")), **whose}, status=201)
    refuse.all(decisions(scene, made["id"], approved=False))
    refuse.once(f"/bonuses/{made['id']}/approve", CFO, status=200, who="cfo")
    refuse.all(decisions(scene, made["id"], approved=True))
    refuse.verdict()
    assert_money_is_whole()


def test_a_milestone_that_ends_does_not_end_again(scene: Money, refuse: Refusals) -> None:
    made = refuse.once("/milestones", scene.milestone(), status=201)
    end, body = f"/milestones/{made['id']}/end", {**scene.decided_by, "reason": "Enough were written."}
    theirs = {**body, "decided_by": scene.rival.member.email}
    refuse.all([*at_every_door(end, body), *by_whom(end, body)])
    refuse.all(
        [
            Bad("for no reason", end, {**body, "reason": " "}, 400, "invalid", "/reason"),
            Bad("without a reason", end, scene.decided_by, 400, "invalid", "/reason"),
            Bad("another lab's", end, theirs, 404, "not_found", who="rival"),
            Bad("none", f"/milestones/mst_{OTHER}/end", body, 404, "not_found"),
        ]
    )
    refuse.once(end, body, status=200)
    refuse.all([Bad("while it ends", end, body, 409, "invalid_transition")])
    with platform():
        row = Milestone.objects.get(public_id=made["id"])
        milestones.end_if_over(milestone_id=row.pk, now=MONDAY + 7 * DAY)
    refuse.all([Bad("once it has ended", end, body, 409, "invalid_transition", at=MONDAY + 8 * DAY)])
    refuse.verdict()
    assert_money_is_whole()


def test_what_an_expert_said_once_is_not_said_again(refuse: Refusals) -> None:
    former = refuse.once("/expert/payout-methods", IBAN, status=201, who="expert")
    method = refuse.once("/expert/payout-methods", {**IBAN, "holder": "Ada L."}, status=201, who="expert")
    agreed = refuse.once("/expert/exchange-instructions", AGREED, status=201, who="expert")
    refuse.all([Bad("agree twice", "/expert/exchange-instructions", AGREED, 409, "instruction_exists", who="expert")])
    revoke = f"/expert/exchange-instructions/{agreed['id']}/revoke"
    refuse.all([Bad("another's", revoke, None, 404, "not_found", who="stranger")])
    refuse.once(revoke, None, status=200, who="expert")
    refuse.all([Bad("revoke twice", revoke, None, 409, "invalid_transition", who="expert")])
    remove = f"/expert/payout-methods/{method['id']}/remove"
    refuse.all([Bad("another's", remove, None, 404, "not_found", who="stranger")])
    refuse.all(at_every_door(remove, None, who="expert"))
    assert refuse.once(remove, None, status=200, who="expert")["status"] == "removed"
    replaced = f"/expert/payout-methods/{former['id']}/remove"
    for path in (remove, replaced):
        refuse.all([Bad("what is gone", path, None, 409, "invalid_transition", who="expert")])
    refuse.once("/expert/tax-profile", SIGNED, status=201, who="expert")
    invited = refuse.once("/expert/referrals", {"email": "grace@example.org"}, status=201, who="expert")
    again = {"email": "Grace@Example.org"}
    refuse.all([Bad("invite twice", "/expert/referrals", again, 409, "already_invited", who="expert")])
    join = {"code": invited["code"]}
    refuse.all([Bad("one's own invitation", "/expert/referrals/join", join, 409, "cannot_join", who="expert")])
    refuse.verdict()
    assert_money_is_whole()
