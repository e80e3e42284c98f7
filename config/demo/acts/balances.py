"""The reckoning: what the site says against what the oracle computed, for every expert and every lab."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from config.demo import cast
from config.demo.oracle import ZERO
from config.demo.stage import Stage, amount

JOURNAL = "/admin/payments/journalentry/"
ACCOUNTS = "/admin/payments/account/"
BUCKETS = ("in_progress", "in_review", "approved", "on_hold", "disputed", "scheduled", "paid")


def before_payday(stage: Stage) -> None:
    """Everything approved is owed and nothing is paid; what is contested stands apart."""
    for role, currency in _paid_people(stage):
        found = _buckets(stage, role, currency)
        stage.check(f"{role.name}: approved", stage.books.payable(role.email, currency), found["approved"])
        stage.check(f"{role.name}: paid so far", ZERO, found["paid"])
        held = [line.gross for line in stage.books.held() if line.terms.expert == role.email]
        stage.check(f"{role.name}: disputed", sum(held, ZERO), found["disputed"])
    _labs(stage)
    stage.step("Earnings and balances agree with the independent computation")


def after_payday(stage: Stage) -> None:
    """Everything approved is paid; the labs' balances are untouched by it."""
    for role, currency in _paid_people(stage):
        found = _buckets(stage, role, currency)
        stage.check(f"{role.name}: paid", stage.books.payable(role.email, currency), found["paid"])
        stage.check(f"{role.name}: nothing left to pay", ZERO, found["approved"])
        stage.notes.setdefault("paid", {})[role.email] = {"amount": str(found["paid"]), "currency": currency}
    _labs(stage)
    stage.step("Everybody was paid to the cent")


def entry_by_entry(stage: Stage) -> None:
    """Every settled stretch: the pay as the expert reads it, the fee as the lab reads it."""
    pay = {
        row["id"]: row for role, _currency in _paid_people(stage) for row in stage.expert(role).pages("/time-entries")
    }
    fees = {row["id"]: row for lab in cast.LABS for row in stage.lab(lab).pages("/time-entries")}
    for line in stage.books.settled():
        entry = line.stretch.entry
        stage.check(f"pay of {entry}", (line.gross, False), (amount(pay[entry]["amount"]), pay[entry]["is_estimate"]))
        stage.check(f"fee of {entry}", line.fee, amount(fees[entry]["fee"]))
    stage.step(f"The pay and the fee of {len(stage.books.settled())} entries agree one by one")


def the_books(stage: Stage) -> None:
    """The auditor opens the ledger: it sums to zero, and the fees earned are those that were computed."""
    desk = stage.desk(cast.AUDITOR)
    stage.check("the trial balance", True, "Trial balance zero" in desk.open(JOURNAL).text)
    accounts = desk.open(f"{ACCOUNTS}?kind__exact=fee_income").text
    for _lab, currency in stage.books.labs():
        fees = f"{stage.books.fees(currency)} {currency}"
        stage.check(f"fees earned in {currency}", fees, fees if fees in accounts else accounts)
    stage.step(f"{cast.AUDITOR.name} opened the ledger: the trial balance is zero, the fees are as computed")


def at_the_end(stage: Stage) -> None:
    """After the decided dispute: what is owed and paid together is all that was earned; balances once more."""
    for role, currency in _paid_people(stage):
        found = _buckets(stage, role, currency)
        total = found["paid"] + found["approved"] + found["scheduled"]
        stage.check(f"{role.name}: earned in all", stage.books.payable(role.email, currency), total)
    _labs(stage)


def _paid_people(stage: Stage) -> list[tuple[cast.ExpertRole, str]]:
    by_address = {role.email: role for role in cast.EXPERTS}
    return [(by_address[expert], currency) for expert, currency in stage.books.experts()]


def _buckets(stage: Stage, role: cast.ExpertRole, currency: str) -> Mapping[str, Decimal]:
    """Each bucket's amount in one currency; a bucket that holds nothing may leave the currency out."""
    buckets = stage.expert(role).get("/earnings")["buckets"]
    return {
        name: sum((amount(money) for money in buckets[name] if money["currency"] == currency), ZERO) for name in BUCKETS
    }


def _labs(stage: Stage) -> None:
    for lab, currency in stage.books.labs():
        role = next(role for role in cast.LABS if role.name == lab)
        found: Any = next(row for row in stage.lab(role).get("/balance")["balances"] if row["currency"] == currency)
        stage.check(f"{lab}: available", stage.books.available(lab, currency), amount(found["available"]))
        stage.check(f"{lab}: reserved", stage.books.reserved(lab, currency), amount(found["reserved"]))
        stage.check(f"{lab}: owed", ZERO, amount(found["owed"]))
