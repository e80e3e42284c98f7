"""Nobody moves or creates money alone: whoever proposes may take it back, and a second person proves who he is."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from pytest_django import Settings

from core import clock, tokens
from core.money import Money
from core.public import Tenant, User
from experts.public import Expert
from payments.models import (
    AdjustmentProposal,
    BankCharge,
    Funding,
    FxExchange,
    FxQuote,
    JournalEntry,
    PayRun,
    PlatformPay,
    ProviderEntry,
)
from payments.operations.bank import bank_charges
from payments.operations.labs import funding
from payments.operations.pay import four_eyes, platform_pay
from payments.operations.runs import pay_runs
from payments.queries import ledger_findings
from payments.queries.pay_run_review import review_of
from tests.core.api.conftest import Caller
from tests.payments import ledger_story as story
from tests.payments.ledger_story import MONDAY, NOW, SYSTEM, platform
from tests.payments.test_money_desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)
BEFORE = MONDAY - dt.timedelta(hours=1)
WHY = "As the bank's paper says."
REAUTHENTICATE = "/accounts/reauthenticate/"


def stale(*permissions: str) -> Desk:
    """A member of staff whose last proof is older than ten minutes."""
    desk = Desk(*permissions)
    session = desk.client.session
    session["account_authentication_methods"] = []
    session.save()
    desk.prove(seconds_ago=601)
    return desk


def large_bonus(ada: Expert, by: Desk) -> AdjustmentProposal:
    """Proposed just now, since a proposal lapses by the desk's clock."""
    with platform():
        made = platform_pay.pay_bonus(
            expert=ada, amount=Money(100_001, "USD"), reason="Thanks.", decided_by=by.user, now=clock.now()
        )
    assert isinstance(made, AdjustmentProposal)
    return made


def test_the_second_person_proves_who_he_is() -> None:
    ada, one = story.new_expert(), Desk("adjust_pay")
    proposal = large_bonus(ada, one)
    page = stale("approve_adjustment").act("adjustmentproposal", "approve", proposal.pk, confirmed="yes")
    assert REAUTHENTICATE in page.redirect_chain[0][0]
    with platform():
        proposal.refresh_from_db()
        assert (proposal.status, PlatformPay.objects.count()) == ("proposed", 0)
    Desk("approve_adjustment").act("adjustmentproposal", "approve", proposal.pk, confirmed="yes")
    assert story.owed(ada) == 100_001


@pytest.mark.parametrize(
    ("act", "permission"),
    [("correction", "correct_hours"), ("credit_note", "issue_invoice"), ("movement", "reconcile")],
)
def test_whoever_may_propose_withdraws_his_own(act: str, permission: str) -> None:
    one, other = Desk(permission), Desk(permission)
    with platform():
        proposal = four_eyes.propose(
            act=act, amount=Money(100_001, "USD"), reason="Too much.", terms={}, proposed_by=one.user, now=NOW
        )
    page = other.act("adjustmentproposal", "withdraw", proposal.pk, confirmed="yes")
    assert "Only its proposer withdraws" in page.content.decode()
    Desk().act("adjustmentproposal", "withdraw", proposal.pk, confirmed="yes")
    with platform():
        proposal.refresh_from_db()
        assert proposal.status == "proposed"
    one.act("adjustmentproposal", "withdraw", proposal.pk, confirmed="yes")
    with platform():
        proposal.refresh_from_db()
        assert (proposal.status, proposal.decided_by) == ("withdrawn", one.user)


def waiting() -> AdjustmentProposal:
    """The one proposal that waits for a second person."""
    with platform():
        return AdjustmentProposal.objects.get(status="proposed")


def approve(proposal: AdjustmentProposal, by: Desk, *, at: dt.datetime = NOW) -> str:
    with clock.frozen(at):
        page = by.act("adjustmentproposal", "approve", proposal.pk, confirmed="yes")
    return str(page.content.decode())


def assert_the_books_hold() -> None:
    with platform():
        assert ledger_findings.findings() == []


# Rates


def quote(desk: Desk, rate: str, *, sell: str = "USD", buy: str = "EUR", spread: str = "0", **more: str) -> Any:
    fields = {"sell": sell, "buy": buy, "rate": rate, "spread_bp": spread, "hours": "48", "source": "a list"}
    with clock.frozen(BEFORE):
        return desk.post("fxquote/quote/", **{**fields, "reason": WHY, **more})


def quotes() -> list[Decimal]:
    with platform():
        return list(FxQuote.objects.order_by("pk").values_list("rate", flat=True))


def owed_a_dollar() -> Expert:
    ada = story.new_expert(currency="EUR")
    story.earn(ada, 100, lab=story.new_lab(funded=1_000))
    return ada


def exchange(ada: Expert, made: FxQuote, amount: str = "1.00") -> Any:
    caller = Caller(Authorization=f"Bearer {tokens.mint_expert_token(user=ada.user, name='tests').secret}")
    body = {"quote": made.public_id, "amount": {"amount": amount, "currency": "USD"}}
    with clock.frozen(BEFORE):
        return caller("POST", "/api/v1/expert/exchanges", body, Idempotency_Key=f"{made.pk}-{amount}")


def seated(ada: Expert, *permissions: str) -> Desk:
    """A desk at which an expert sits, who is of the staff as well."""
    desk = Desk(*permissions)
    stranger, desk.user = desk.user, ada.user
    User.objects.filter(pk=ada.user_id).update(is_staff=True)
    ada.user.refresh_from_db()
    desk.user.user_permissions.set(stranger.user_permissions.all())
    desk.client.force_login(desk.user)
    desk.prove()
    return desk


def test_one_person_makes_no_money_by_a_rate_of_his_own() -> None:
    """A million euros for one dollar takes another person, and is not for whoever quoted it even then."""
    ada, other = owed_a_dollar(), Desk("approve_adjustment")
    hers = seated(ada, "quote_fx", "approve_adjustment")
    assert "another person has to approve it" in quote(hers, "1000000").content.decode()
    assert quotes() == []
    proposal = waiting()
    assert (proposal.act, proposal.proposed_by, proposal.terms["rate"]) == ("quote", ada.user, "1000000")
    assert "Another person approves" in approve(proposal, hers, at=BEFORE)
    assert quotes() == []
    approve(proposal, other, at=BEFORE)
    with platform():
        made = FxQuote.objects.get()
    assert (made.rate, made.entered_by, made.proposal_id, made.reason) == (
        Decimal(1_000_000),
        ada.user,
        proposal.pk,
        WHY,
    )
    refused = exchange(ada, made)
    assert (refused.status_code, refused.json()["code"]) == (403, "own_work")
    assert (story.owed(ada), story.owed(ada, "EUR"), FxExchange.objects.count()) == (100, 0, 0)


def test_whoever_approved_a_rate_does_not_exchange_by_it_and_postgresql_refuses_too() -> None:
    ada, one = owed_a_dollar(), Desk("quote_fx")
    quote(one, "0.9")
    approve(waiting(), seated(ada, "approve_adjustment"), at=BEFORE)
    with platform():
        made = FxQuote.objects.get()
    assert exchange(ada, made).json()["code"] == "own_work"
    with pytest.raises(IntegrityError, match="Nobody sets his own rate"), platform(), transaction.atomic():
        FxExchange.objects.create(expert=ada, quote=made, sell_minor=1, buy_minor=1, made_by="x", made_at=NOW)
    bob = owed_a_dollar()
    assert exchange(bob, made).status_code == 201
    assert_the_books_hold()


def test_one_person_quotes_near_what_two_decided_and_small_steps_lead_nowhere() -> None:
    one, other = Desk("quote_fx"), Desk("approve_adjustment")
    quote(one, "1")
    approve(waiting(), other, at=BEFORE)
    for near in ("1.05", "0.95", "1.05"):
        quote(one, near)
    assert quotes() == [1, Decimal("1.05"), Decimal("0.95"), Decimal("1.05")]
    for far, spread in (("1.0501", "0"), ("0.9499", "0"), ("1.05", "1000"), ("1.1", "0")):
        quote(one, far, spread=spread)
        one.act("adjustmentproposal", "withdraw", waiting().pk, confirmed="yes")
    quote(one, "1", sell="EUR", buy="USD")
    assert waiting().terms["sell"] == "EUR"
    assert len(quotes()) == 4


def test_postgresql_keeps_rates_near() -> None:
    values: dict[str, Any] = {
        "sell": "USD", "buy": "EUR", "spread_bp": 0, "quoted_at": NOW, "valid_until": NOW + dt.timedelta(1),
        "source": "x", "quoted_by": "x", "tolerance_bp": 500,
    }  # fmt: skip
    with pytest.raises(IntegrityError, match="takes a second person"), platform(), transaction.atomic():
        FxQuote.objects.create(**values, rate=1)
    with platform():
        story.quoted("1", valid_until=NOW + dt.timedelta(1))
        FxQuote.objects.create(**values, rate=Decimal("1.05"))
        undecided = four_eyes.propose(
            act="quote", amount=Money(1, "USD"), reason="x", terms={}, proposed_by=story.new_user(), now=NOW
        )
    with pytest.raises(IntegrityError, match="takes a second person"), platform(), transaction.atomic():
        FxQuote.objects.create(**values, rate=Decimal("1.051"))
    with pytest.raises(IntegrityError, match="Two people decide"), platform(), transaction.atomic():
        FxQuote.objects.create(**values, rate=9, proposal=undecided)


def test_a_rate_takes_a_reason_and_a_fresh_proof() -> None:
    with platform():
        story.quoted("1", valid_until=NOW + dt.timedelta(1), now=BEFORE)
    assert REAUTHENTICATE in stale("quote_fx").client.get("/admin/payments/fxquote/quote/")["Location"]
    assert "required" in quote(Desk("quote_fx"), "1", reason="").content.decode()
    assert len(quotes()) == 1


def test_a_script_quotes_near_and_names_who_proposes_further_away() -> None:
    out, fin = StringIO(), Desk("quote_fx")
    asked = ("quote_fx", "USD", "EUR")
    with clock.frozen(BEFORE):
        with pytest.raises(CommandError, match="second person"):
            call_command(*asked, "0.92", "--source", "ECB", stdout=out)
        call_command(*asked, "0.92", "--source", "ECB", "--by", fin.user.email, stdout=out)
    assert "waits for a second person" in out.getvalue()
    assert (quotes(), waiting().proposed_by) == ([], fin.user)
    approve(waiting(), Desk("approve_adjustment"), at=BEFORE)
    with clock.frozen(BEFORE):
        call_command(*asked, "0.93", "--source", "ECB", stdout=out)
        with pytest.raises(CommandError, match="Nobody of the staff"):
            call_command(*asked, "0.93", "--source", "ECB", "--by", "x@example.org", stdout=out)
    assert len(quotes()) == 2


def prepared(*, now: dt.datetime = NOW) -> PayRun:
    with platform():
        return pay_runs.prepare(currency="EUR", by=story.new_user("Prep"), now=now)


def exchanged_in(run: PayRun) -> tuple[int, int]:
    with platform():
        shown = review_of(run, show="exchanged")
    (tile,) = (tile for tile in shown["tiles"] if tile.name == "exchanged")
    assert tile.total is not None
    assert len(shown["rows"]) == tile.count
    page = Desk("release_payrun").get(f"payrun/{run.pk}/change/?show=exchanged").content.decode()
    assert "Exchanged into this currency" in page
    return tile.count, tile.total.minor


def test_the_signer_sees_what_was_exchanged() -> None:
    ada = story.new_expert(currency="EUR")
    story.earn(ada, 10_000, lab=story.new_lab(funded=1_000_000))
    with platform():
        made = story.quoted("0.9", valid_until=NOW + dt.timedelta(days=2), now=BEFORE)
    assert exchange(ada, made, "60.00").status_code == 201
    run = prepared()
    assert exchanged_in(run) == (1, 5_400)
    with platform():
        pay_runs.cancel(run=run, reason="Anew.", by=story.new_user(), now=NOW)
    story.released_run(currency="EUR")
    story.earn(ada, 5_000, lab=story.new_lab(funded=5_000, currency="EUR"), currency="EUR", at=NOW)
    assert exchanged_in(prepared(now=NOW + dt.timedelta(weeks=1))) == (0, 0)


# Charges of banks


def charge(desk: Desk, page: str = "fee", *, reference: str = "F-1", amount: str = "2.50", **more: str) -> str:
    fields = {"provider": "bank", "reference": reference, "amount": amount, "currency": "USD", "reason": WHY}
    with clock.frozen(NOW):
        return str(desk.post(f"bankcharge/{page}/", **{**fields, **more}).content.decode())


def charges() -> list[tuple[str, int]]:
    with platform():
        posted = JournalEntry.objects.filter(kind__in=("provider_fee", "fx_covered"))
        assert BankCharge.objects.count() == posted.count()
        return list(BankCharge.objects.order_by("pk").values_list("reference", "amount_minor"))


def test_a_large_fee_takes_two_people_and_small_ones_are_added_up() -> None:
    one, other = Desk("record_charge", "approve_adjustment"), Desk("approve_adjustment")
    charge(one, amount="600.00")
    assert "another person has to approve it" in charge(one, reference="F-2", amount="400.01")
    assert charges() == [("F-1", 60_000)]
    proposal = waiting()
    assert (proposal.act, proposal.amount_minor, proposal.before_minor) == ("charge", 40_001, 60_000)
    assert "Another person approves" in approve(proposal, one)
    assert len(charges()) == 1
    approve(proposal, other)
    assert charges() == [("F-1", 60_000), ("F-2", 40_001)]
    with platform():
        row = BankCharge.objects.get(reference="F-2")
        assert (row.recorded_by, row.proposal, row.reason) == (one.user, proposal, WHY)
    assert "recorded already" in charge(one, reference="F-2", amount="400.01")
    assert_the_books_hold()


def test_either_side_of_an_exchange_may_take_two_people() -> None:
    one, other = Desk("record_charge"), Desk("approve_adjustment")
    bought = {"bought_amount": "1000000.00", "bought_currency": "EUR"}
    charge(one, "exchange", reference="T-1", amount="1.00", **bought)
    assert charges() == []
    approve(waiting(), other)
    assert charges() == [("T-1", 100)]
    charge(one, "exchange", reference="T-2", amount="100.00", bought_amount="92.10", bought_currency="EUR")
    assert charges() == [("T-1", 100), ("T-2", 10_000)]
    assert_the_books_hold()


def test_a_proposed_fee_that_a_statement_booked_meanwhile_is_not_booked_again() -> None:
    charge(Desk("record_charge"), amount="1000.01")
    with platform():
        bank_charges.fee(provider="bank", reference="F-1", amount=Money(100_001, "USD"), now=NOW)
    assert "is recorded already" in approve(waiting(), Desk("approve_adjustment"))
    assert charges() == [("F-1", 100_001)]


@pytest.mark.parametrize("page", ["fee", "exchange"])
def test_a_charge_takes_a_reason_and_a_fresh_proof(page: str) -> None:
    path = f"/admin/payments/bankcharge/{page}/"
    assert REAUTHENTICATE in stale("record_charge").client.get(path)["Location"]
    assert "required" in charge(Desk("record_charge"), page, reason="")
    assert charges() == []


# Funding


@pytest.fixture
def lab(settings: Settings) -> Tenant:
    settings.FUNDING_SETTLES_AT_ONCE = False
    return story.new_lab()


def announced(lab: Tenant, minor: int = 100_001) -> Funding:
    with platform():
        return funding.announce(tenant_id=lab.pk, amount=Money(minor, "USD"), by=SYSTEM, now=NOW)


def shown_by_bank(row: Funding, minor: int) -> ProviderEntry:
    with platform():
        return ProviderEntry.objects.create(
            provider=row.provider, reference=f"E{minor}", kind="credit" if minor > 0 else "debit", amount_minor=minor,
            currency="USD", booked_on=NOW.date(), text=f"Invoice {row.reference.lower()}", created_at=NOW,
        )  # fmt: skip


def arrived(desk: Desk, row: Funding, amount: str) -> str:
    fields = {"amount": amount, "currency": "USD", "reason": WHY}
    with clock.frozen(NOW):
        return str(desk.post(f"funding/{row.pk}/arrived/", **fields).content.decode())


def press(desk: Desk, action: str, row: Funding) -> str:
    with clock.frozen(NOW):
        return str(desk.act("funding", action, row.pk, confirmed="yes", reason=WHY).content.decode())


def test_a_large_transfer_is_confirmed_by_two(lab: Tenant) -> None:
    one, other, row = Desk("confirm_funding", "approve_adjustment"), Desk("approve_adjustment"), announced(lab)
    assert "another person has to approve it" in press(one, "confirm", row)
    assert "is open" in press(one, "confirm", row)
    assert "is open" in arrived(Desk("confirm_funding"), row, "1000000.00")
    proposal = waiting()
    assert "Another person approves" in approve(proposal, one)
    assert story.prepaid(lab) == 0
    approve(proposal, other)
    assert story.prepaid(lab) == 100_001
    with platform():
        row.refresh_from_db()
        assert (row.status, row.decided_by, row.reason) == ("settled", one.user, WHY)
    assert_the_books_hold()


def test_what_counts_is_what_somebody_says_arrived(lab: Tenant) -> None:
    """Announced is one dollar: a million that arrived is a million of the lab's."""
    arrived(Desk("confirm_funding"), announced(lab, 100), "1000000.00")
    assert (story.prepaid(lab), waiting().amount_minor) == (0, 100_000_000)
    approve(waiting(), Desk("approve_adjustment"))
    assert story.prepaid(lab) == 100_000_000


def test_small_transfers_of_one_lab_are_added_up(lab: Tenant) -> None:
    one = Desk("confirm_funding")
    for _n in range(2):
        press(one, "confirm", announced(lab, 60_000))
    assert (story.prepaid(lab), waiting().before_minor) == (60_000, 60_000)


@pytest.mark.parametrize(("shown", "settled"), [(250_000, 250_000), (249_999, 0), (-250_000, 0)])
def test_one_person_confirms_exactly_what_the_bank_shows(lab: Tenant, shown: int, settled: int) -> None:
    row = announced(lab)
    shown_by_bank(row, shown)
    arrived(Desk("confirm_funding"), row, "2500.00")
    assert story.prepaid(lab) == settled


def test_a_transfer_that_a_statement_settled_meanwhile_is_not_settled_again(lab: Tenant) -> None:
    row = announced(lab)
    press(Desk("confirm_funding"), "confirm", row)
    with platform():
        funding.arrived(funding=row, now=NOW)
    approve(waiting(), Desk("approve_adjustment"))
    assert (story.prepaid(lab), waiting().status) == (100_001, "proposed")


def test_a_large_transfer_is_taken_back_by_two_unless_the_bank_shows_it(lab: Tenant) -> None:
    one, other = Desk("confirm_funding"), Desk("approve_adjustment")
    first, second, small = announced(lab), announced(lab), announced(lab, 500)
    with platform():
        for row in (first, second, small):
            funding.arrived(funding=row, now=NOW)
    press(one, "reverse", first)
    assert story.prepaid(lab) == 200_502
    approve(waiting(), other)
    assert story.prepaid(lab) == 100_501
    press(one, "reverse", small)
    assert story.prepaid(lab) == 100_001
    shown_by_bank(second, -100_001)
    press(one, "reverse", second)
    assert story.prepaid(lab) == 0
    assert_the_books_hold()


def test_funding_is_confirmed_and_reversed_with_a_fresh_proof(lab: Tenant) -> None:
    late, row, settled = stale("confirm_funding"), announced(lab, 500), announced(lab, 700)
    with platform():
        funding.arrived(funding=settled, now=NOW)
    for action, pk in (("confirm", row.pk), ("reverse", settled.pk)):
        assert REAUTHENTICATE in late.act("funding", action, pk, confirmed="yes", reason=WHY).redirect_chain[0][0]
    assert REAUTHENTICATE in late.client.get(f"/admin/payments/funding/{row.pk}/arrived/")["Location"]
    assert story.prepaid(lab) == 700
