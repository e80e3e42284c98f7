"""Money in every state, by the product's own operations: for tests that have to meet a row of every kind."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from django.test import override_settings

from core.money import Money
from core.public import Tenant, User
from experts.public import Expert
from payments.models import (
    AdjustmentProposal,
    BankFile,
    BankMessage,
    CreditLimit,
    Debt,
    Dispute,
    Funding,
    InboundEvent,
    Invoice,
    Milestone,
    Overage,
    OwedInvoice,
    PayeeAccount,
    Payout,
    PlatformPay,
    ProviderMovement,
    ReconciliationItem,
    TimeEntry,
    Timesheet,
)
from payments.operations.bank import bank_charges, bank_messages, bank_trouble, provider_books, reconciliation_acts
from payments.operations.exchange import exchange_instructions, exchanges, fx
from payments.operations.hours import disputes, overages, time_entries, timers, timesheets
from payments.operations.labs import credit, credit_notes, funding, invoices, refunds
from payments.operations.pay import clawbacks, four_eyes, milestones, platform_pay, referrals, true_ups, write_offs
from payments.operations.payee import backup_withholding, payees, tax_profiles
from payments.operations.rails import inbox, payout_decisions, payouts, sending
from payments.operations.runs import owed_invoices, pay_run_holds, pay_runs, self_billing
from tests.payments import bank_world
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments import paper_world as papers
from tests.payments.hours_world import HOUR, MONDAY, PLATFORM, World, platform
from tests.payments.ledger_story import LONG_AGO, NOW, SYSTEM
from tests.payments.test_bank_messages import entry as booked
from tests.payments.test_bank_messages import report, statement

DAY = dt.timedelta(days=1)
WEEK = 7 * DAY
LATER = NOW + 16 * DAY
"""When everything below has happened."""
RAILS = {"sandbox:*:*": "sandbox", "iban:EUR:*": "sepa_file", "stripe_account:*:*": "stripe_connect"}
ISSUER = {
    "key": "",
    "legal_name": "Cadre SAS",
    "street": "1 rue de la Paix",
    "postal_code": "75002",
    "city": "Paris",
    "country": "FR",
    "vat_id": "FR40303265045",
    "email": "",
}
VAT_ID: dict[str, Any] = {"form": "eu_vat", "country": "DE", "tax_id": "DE136695976"}

SIGNED: dict[str, Any] = {"legal_name": "-", "signed_name": "-", "address": "1 Main St\nSpringfield", "now": LONG_AGO}


def usd(minor: int) -> Money:
    return Money(minor, "USD")


def live() -> None:
    """Everything once. The settings that it needs are its caller's: RAILS, ISSUER, a folder and an account of the bank."""
    ada = papers.with_extras(papers.build("Ada"))
    beside_hours(ada)
    weeks()
    floors()
    money_of_labs(ada.tenant)
    currencies()
    runs_in_every_state()
    at_the_bank()
    payouts_in_every_state()
    people()
    businesses()
    papers_of_labs()
    released_run_of("JPY")  # last: nobody sends it


def log(world: World, minutes: int, *, start: dt.datetime = MONDAY, activity: str = "task") -> TimeEntry:
    """One stretch. Called within ``platform()``."""
    end = start + dt.timedelta(minutes=minutes)
    (made, *_more) = time_entries.log(
        contract=world.contract, activity=activity, claim=None, started_at=start, ended_at=end, reason="-", now=end
    )
    return made


def submitted(world: World, minutes: int = 60, *, start: dt.datetime = MONDAY) -> Timesheet:
    """A week with one stretch that waits for its lab."""
    return timesheets.submit(timesheet=log(world, minutes, start=start).timesheet, by=PLATFORM, now=start + DAY)


def weeks() -> None:
    """Entries and weeks that run, stand, wait, were approved by a person or by silence; contested and over a cap."""
    with platform():
        one = hours.build(name="Weeks", day_cap=HOUR)
        timesheets.approve_by_silence(timesheet_id=submitted(one).pk, by=PLATFORM, now=LATER)
        submitted(one, start=MONDAY + WEEK)
        time_entries.void(entry=log(one, 5, start=MONDAY - WEEK), now=MONDAY - WEEK + DAY)
        log(one, 5, start=MONDAY - WEEK + DAY)
        timers.start(contract=one.contract, activity="task", claim=None, now=LATER - DAY)
        for name in ("Open", "Answered", "Upheld", "Partly", "Overturned", "Withdrawn", "Silent"):
            contested(name)
        for act in (None, overages.approve, overages.decline):
            over_a_cap(act)


def contested(name: str) -> None:
    """A dispute that ends, or stands, as its name says."""
    world = hours.build(name=f"{name} dispute")
    sheet = submitted(world)
    by: dict[str, Any] = {"decided_by": world.member, "now": MONDAY + DAY}
    row = disputes.open_against(entry=sheet.entries.get(), reason="-", proposed_seconds=60, by=PLATFORM, **by)
    if name in {"Answered", "Upheld", "Partly"}:
        disputes.answer(dispute=row, text="I was there.", by=PLATFORM, now=MONDAY + DAY)
    outcomes = {
        "Upheld": (Dispute.Status.UPHELD, None),
        "Partly": (Dispute.Status.PARTLY_UPHELD, 600),
        "Overturned": (Dispute.Status.OVERTURNED, None),
    }
    if name in outcomes:
        outcome, seconds = outcomes[name]
        note: dict[str, Any] = {"note": "-", "decided_by": story.new_user("Judge"), "now": MONDAY + 2 * DAY}
        disputes.decide(dispute=row, outcome=outcome, seconds=seconds, **note)
    if name == "Withdrawn":
        disputes.withdraw(dispute=row, note="-", **by)
    if name == "Silent":
        disputes.resolve_by_silence(dispute_id=row.pk, now=LATER + 9 * DAY)


def over_a_cap(act: Any) -> None:
    """A timer that ran past the cap of its day, and what was decided about it."""
    world = hours.build(name=f"Cap {act and act.__name__}", day_cap=60)
    timer = timers.start(contract=world.contract, activity="task", claim=None, now=MONDAY)
    timers.stop(entry=timer, now=MONDAY + dt.timedelta(minutes=9))
    if act is not None:
        row = Overage.objects.get(expert=world.expert)
        act(overage=row, decided_by=world.member, note="-", now=MONDAY + DAY)


def floors() -> None:
    """A German week below the wage floor."""
    with platform():
        expert = hours.make_expert("frieda@example.org", country="DE")
        world = hours.build(name="Floor", rate_minor=1_000, currency="EUR", expert=expert)
        sheet = submitted(world)
        timesheets.approve(timesheet=sheet, decided_by=world.member, by=PLATFORM, now=MONDAY + DAY)
        assert true_ups.check(timesheet_id=sheet.pk, now=MONDAY + 2 * DAY)


def beside_hours(world: World) -> None:
    """Pay taken back, from the platform, proposed, refused, withdrawn, lapsed; a debt given up; milestones."""
    with platform():
        member, contract = world.member, world.contract
        spoiled = contract.time_entries.order_by("pk")[0]
        clawbacks.claw_back(source=spoiled, amount=usd(1_000), reason="Twice", decided_by=member, now=MONDAY)
        gift = platform_pay.pay_bonus(expert=world.expert, amount=usd(500), reason="-", decided_by=member, now=MONDAY)
        assert isinstance(gift, PlatformPay)
        platform_pay.take_back(pay=gift, reason="-", decided_by=member, now=MONDAY)
        platform_pay.pay_bonus(expert=world.expert, amount=usd(501), reason="-", decided_by=member, now=MONDAY)
        side: dict[str, Any] = {"side": AdjustmentProposal.Side.PLATFORM, "now": LATER - DAY}
        proposed("stands", world)
        four_eyes.refuse(proposal=proposed("refused", world), decided_by=story.new_user("Two"), note="-", **side)
        mine = proposed("withdrawn", world)
        four_eyes.withdraw(proposal=mine, by=mine.proposed_by, **side)
        four_eyes.let_lapse(proposal_id=proposed("lapsed", world).pk, now=LATER + 90 * DAY)
        for _n in range(2):
            debt_of(given_up=_n == 0)
        terms: dict[str, Any] = {
            "project": contract.project,
            "opening": None,
            "basis": "approved_hours",
            "threshold": 1,
            "amount": usd(50),
            "budget": usd(100),
            "decided_by": member,
            "now": MONDAY,
        }
        over = milestones.define(title="Over", **terms)
        assert isinstance(over, Milestone)
        milestones.end(milestone=over, reason="Enough", decided_by=member, now=MONDAY)
        milestones.define(title="Reached", **terms)
        milestones.check(contract=contract, now=MONDAY + DAY)


def proposed(reason: str, world: World) -> AdjustmentProposal:
    """A bonus of the platform's that is too large for one person."""
    by = story.new_user("One")
    made = platform_pay.pay_bonus(
        expert=world.expert, amount=usd(900_000), reason=reason, decided_by=by, now=LATER - DAY
    )
    assert isinstance(made, AdjustmentProposal)
    return made


def debt_of(*, given_up: bool) -> None:
    """An expert who was overpaid, and whether anybody still waits for it."""
    debtor = story.new_expert("Debtor")
    story.claw_back(debtor, 700, lab=story.new_lab(funded=1_000))
    account = Debt.objects.get(expert=debtor, kind="expert_payable")
    proposal = write_offs.propose(
        account=account, amount=usd(700), reason="-", proposed_by=story.new_user("One"), now=LATER - DAY
    )
    if given_up:
        by = story.new_user("Two")
        four_eyes.approve(proposal=proposal, decided_by=by, side=AdjustmentProposal.Side.PLATFORM, now=LATER - DAY)


def money_of_labs(tenant: Tenant) -> None:
    """Transfers announced, settled, failed and taken back; refunds and credit proposed and decided."""
    with platform():
        one, two = story.new_user("One"), story.new_user("Two")
        rows = [announced(tenant, minor) for minor in (100, 200, 300, 400, 900_000, 900_000)]
        waits, failed, reversed_, paid, large, refused = rows
        assert waits.status == Funding.Status.PENDING
        funding.fail(funding=failed, reason="-", by=one, now=NOW)
        for row in (reversed_, paid, large, refused):
            funding.confirm(funding=row, by=one, now=NOW)
        funding.reverse(funding=reversed_, reason="-", by=one, now=NOW)
        for row in (paid, large):
            refunds.refund(funding=row, reason="-", by=one, now=NOW)
        refunds.refuse(refund=refunds.refund(funding=refused, reason="-", by=one, now=NOW), reason="-", by=two, now=NOW)
        for minor in (1_000, 2_000, 3_000, 4_000):
            limit_of(tenant, minor, by=one)
        former, present, unwanted, _waits = CreditLimit.objects.order_by("pk")
        for limit in (former, present):
            credit.approve(limit=limit, by=two, now=NOW)
        credit.refuse(limit=unwanted, reason="-", by=two, now=NOW)


def announced(tenant: Tenant, minor: int) -> Funding:
    return funding.announce(tenant_id=tenant.pk, amount=usd(minor), by=SYSTEM, now=NOW)


def limit_of(tenant: Tenant, minor: int, *, by: User) -> None:
    credit.propose(tenant=tenant, limit=usd(minor), reason="-", by=by, now=NOW)


def currencies() -> None:
    """A quote, exchanged by a lab and by an expert; what a bank took."""
    expert = story.new_expert("Exchanger")
    story.earn(expert, 5_000, lab=story.new_lab(), currency="EUR")
    lab = story.new_lab()
    with platform():
        quote = story.quoted("1.1", sell="EUR", buy="USD", spread_bp=10, valid_until=LATER + DAY)
        exchanges.exchange(expert=expert, quote=quote, sold=Money(5_000, "EUR"), by=SYSTEM, now=NOW)
        wish: dict[str, Any] = {"expert": expert, "sell": "EUR", "buy": "USD", "most_spread_bp": 100, "consent": True}
        for _n in range(2):
            instruction = exchange_instructions.agree(least_rate=Decimal(1), now=NOW, **wish)
            if not _n:
                exchange_instructions.revoke(instruction=instruction, now=NOW)
        funded = funding.announce(tenant_id=lab.pk, amount=Money(5_000, "EUR"), by=SYSTEM, now=NOW)
        funding.confirm(funding=funded, by=story.new_user("Fin"), now=NOW)
        fx.convert(tenant_id=lab.pk, quote=quote, sold=Money(1_000, "EUR"), by=SYSTEM, now=NOW)
        bank_charges.fee(provider="sandbox", reference="F1", amount=usd(3), now=NOW)


def payouts_in_every_state() -> None:
    """One run: paid, sent back, refused, unheard of, held, cancelled, missed, lost; proposals about some of them."""
    names = ("paid", "returned", "failed", "silent", "held", "cancelled", "again", "moved", "missed", "lost")
    people = {name: story.new_expert(name.title(), account=f"acct-{name}") for name in names}
    lab = story.new_lab()
    for expert in people.values():
        story.earn(expert, 20_000, lab=lab)
    for name in ("failed", "again", "moved"):
        story.fault("reject", code="AC04", account=f"acct-{name}")
    story.fault("timeout_executed", account="acct-silent")
    story.released_run()
    mine = {name: Payout.objects.get(expert=expert) for name, expert in people.items()}
    with platform():
        fresh: dict[str, Any] = {"recently_authenticated": True, "now": NOW}
        payout_decisions.propose(payout=mine["cancelled"], act="cancel", reason="-", by=story.new_user("One"), **fresh)
    story.block(people["held"], by=story.new_user("Judge"))
    story.send_and_track()
    story.unblock(people["held"])
    with platform():
        one, two = story.new_user("One"), story.new_user("Two")
        payouts.returned(Payout.objects.get(pk=mine["returned"].pk), code="AC04", now=NOW + DAY)
        ProviderMovement.objects.filter(reference=mine["returned"].public_id).update(state="returned")
        for name in ("failed", "again", "moved"):
            made = payout_decisions.propose(payout=mine[name], act="retry", reason="-", by=one, **fresh)
            assert made is not None
            if name == "again":
                payout_decisions.approve(decision=made, by=two, **fresh)
            if name == "moved":
                payout_decisions.refuse(decision=made, reason="-", by=two, now=NOW)
    story.missed(Payout.objects.get(pk=mine["missed"].pk), now=NOW + 4 * DAY)
    story.found_missing(Payout.objects.get(pk=mine["lost"].pk), now=NOW + 4 * DAY)


def runs_in_every_state() -> None:
    """Of one currency each: finished, sent back, given up; one that waits, with a held line."""
    released_run_of("AUD")
    story.send_and_track()
    for currency in ("GBP", "CHF", "CAD"):
        owed_in(currency)
    with platform():
        by = story.new_user("Prep")
        back, gone, waits = (pay_runs.prepare(currency=code, by=by, now=NOW) for code in ("GBP", "CHF", "CAD"))
        pay_runs.send_back(run=back, reason="-", by=by)
        pay_runs.cancel(run=gone, reason="-", by=by, now=NOW)
        line = waits.lines.order_by("pk")[0]
        pay_run_holds.hold(line=line, reason="-", by=story.new_user("Rel"), now=NOW)


def owed_in(currency: str) -> None:
    """Two experts who can be paid in a currency."""
    lab = story.new_lab()
    for name in ("A", "B"):
        story.earn(story.new_expert(f"{currency}{name}", currency=currency), 30_000, lab=lab, currency=currency)


def released_run_of(currency: str) -> None:
    """And their run, released."""
    owed_in(currency)
    story.released_run(currency=currency)


def at_the_bank() -> None:
    """A file under way and one that was refused; what the bank sent: booked, waiting, unreadable, not ours, settled."""
    for name, iban, then in (("Iban", bank_world.GOOD, NOW - WEEK), ("Closed", bank_world.CLOSED, NOW)):
        paid = bank_world.payee(name, iban)
        story.earn(paid, 5_000, lab=story.new_lab(), currency="EUR", at=then - 9 * DAY)
        story.released_run(currency="EUR", now=then)
        sending.send_due(now=then)
    with platform():
        refused = BankFile.objects.latest("pk")
    brought(report("RJCT", original=refused.message_id, reason="AC04"))
    strangers = (booked("10.00", reference=name, text="hello") for name in ("B0", "B1"))
    brought(statement(*strangers, closing="20.00"))
    provider_books.read_bank(now=NOW)
    whose_is_it()
    story.send_and_track()
    brought(b"<nonsense")
    with platform():
        note: dict[str, Any] = {"note": "-", "by": story.new_user("Fin"), "now": NOW}
        bank_trouble.settle(message=BankMessage.objects.latest("pk"), **note)
    with override_settings(BANK_ACCOUNT_IBAN=bank_world.GOOD):
        brought(statement(booked("5.00", reference="B3"), number=3, closing="5.00"))
    brought(statement(booked("1.00", reference="B2"), number=2, opening="20.00", closing="21.00"))
    held = statement(booked("2.00", reference="B4"), number=4, opening="21.00", closing="23.00")
    brought(held, bringer=story.new_user("Clerk"))
    events_of_a_provider()


def whose_is_it() -> None:
    """Money of a stranger in suspense, another's that nobody looked at yet, and a lab that announced just as much."""
    with platform(), override_settings(FUNDING_PROVIDER="sepa_file"):
        item, _open = ReconciliationItem.objects.filter(kind="unknown_credit").order_by("pk")
        reconciliation_acts.post(item=item, place="suspense", reason="-", by=story.new_user("Fin"), now=NOW)
        funding.announce(tenant_id=story.new_lab().pk, amount=Money(1_000, "EUR"), by=SYSTEM, now=NOW)


def events_of_a_provider() -> None:
    """Of no account, of one, and one that could not be handled."""
    with platform():
        told: dict[str, Any] = {"provider": "stripe_connect", "kind": "x", "raw": b"{}", "now": LATER}
        inbox.receive(event_id="evt_1", **told)
        inbox.receive(event_id="evt_2", account="acct_2", **told)
        failed = inbox.receive(event_id="evt_3", account="acct_3", **told)
        InboundEvent.objects.filter(pk=failed.pk).update(status=InboundEvent.Status.FAILED, tries=4)


def brought(content: bytes, *, bringer: User | None = None) -> None:
    """By the bank's own road, unless somebody's name is given."""
    named: dict[str, Any] = {"name": "camt.xml", "size": len(content), "bringer": bringer}
    with platform():
        bank_messages.receive(provider="sepa_file", content=content, now=NOW, **named)


def people() -> None:
    """Payout methods, accounts, tax papers, withholding and invitations."""
    one, two, three = (story.new_expert(name) for name in ("One", "Two", "Three"))
    story.add_method(one, account="another", now=NOW)
    with platform():
        payees.remove_method(method=story.add_method(two, account="gone", currency="EUR"), now=NOW)
        payees.add_method(
            expert=three,
            method_type="iban",
            currency="EUR",
            country="NL",
            holder="Three",
            details={"iban": "NL84MOCK0000000003"},
            now=NOW,
        )
        PayeeAccount.objects.create(
            expert=three,
            provider="stripe_connect",
            country="US",
            currency="USD",
            account="acct_3",
            next_attempt_at=LATER,
        )
        for american in (two, three):
            tax_profiles.declare(expert=american, form="w9", country="US", tax_id="536-90-4399", **SIGNED)
        taxed(three)
        invited = referrals.invite(referrer=one, email="", now=NOW)
        newcomer = story.new_expert("Newcomer", ready=False)
        User.objects.filter(pk=newcomer.user_id).update(created_at=NOW + DAY)
        newcomer.user.refresh_from_db()
        referrals.join(expert=newcomer, code=invited.code, now=NOW + 2 * DAY)
        referrals.invite(referrer=one, email="", now=NOW)


def taxed(american: Expert) -> None:
    """An American with withholding that ended and began again, and a business whose VAT id nobody confirmed."""
    by = story.new_user("Fin")
    for _n in range(2):
        spell = backup_withholding.start(expert=american, cause="irs_notice", reason="-", by=by, now=NOW)
        if not _n:
            backup_withholding.end(spell=spell, reason="-", by=by, now=NOW)
    for confirmed in (True, False):
        firm = story.new_expert("Firm")
        profile = tax_profiles.declare(expert=firm, self_billing=True, **VAT_ID, **SIGNED)
        if confirmed:
            tax_profiles.confirm_vat(profile=profile, consultation="WAPIX1", by=by, now=LONG_AGO)


def businesses() -> None:
    """Who were paid: an invoice of one is to be written, of one waits, of one is written, of one has come."""
    firms = {name: story.new_expert(name.title(), currency="SEK") for name in ("due", "waiting", "written", "received")}
    by, lab = story.new_user("Fin"), story.new_lab()
    for name, firm in firms.items():
        with platform():
            profile = tax_profiles.declare(expert=firm, self_billing=name != "received", **VAT_ID, **SIGNED)
            tax_profiles.confirm_vat(profile=profile, consultation="WAPIX1", by=by, now=LONG_AGO)
        story.earn(firm, 20_000, lab=lab, currency="SEK")
    story.released_run(currency="SEK")
    story.send_and_track()
    with platform():
        owed = {name: OwedInvoice.objects.get(expert=firm) for name, firm in firms.items()}
        for name in ("written", "received"):
            self_billing.issue(payout_id=owed[name].payout_id, now=NOW)
        with override_settings(ISSUER=ISSUER | {"country": ""}):
            self_billing.issue(payout_id=owed["waiting"].payout_id, now=NOW)
        owed_invoices.received(row=owed["received"], reference="R1", by=by, now=NOW)


def papers_of_labs() -> None:
    """Invoices, one of them credited."""
    invoices.issue_due(now=MONDAY + 20 * DAY)
    with platform():
        first = Invoice.objects.order_by("pk")[0]
        credit_notes.credit(invoice=first, part="everything", reason="-", by=story.new_user("Fin"), now=LATER)
