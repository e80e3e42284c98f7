"""Our side and a bank's: mock-bank reads the files that we hand over and leaves its own where we collect them.

The bank is an independent program with books of its own; only its clock is moved along with ours.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from mockbank import accounts as bank_accounts
from mockbank import credits as bank_credits
from mockbank import db as bank_db
from mockbank.server import Config
from mockbank.state import State
from pytest_django import Settings

from core.public import Tenant, unit_of_work
from experts.public import Expert
from payments import accounts
from payments.models import (
    AdjustmentProposal,
    BankTransfer,
    DayClose,
    Payout,
    PayoutMethod,
    Posting,
    ReconciliationItem,
)
from payments.operations.bank import provider_books, reconciliation_acts
from payments.operations.pay import four_eyes
from payments.operations.payee import payees, tax_profiles
from payments.operations.rails import sending, tracking
from payments.queries import ledger_findings
from tests.payments import ledger_story as story
from tests.payments.ledger_story import LONG_AGO, NOW, SYSTEM

OURS = "NL41MOCK0000000001"
GOOD = "NL30MOCK0000000005"
CLOSED = "NL84MOCK0000000003"
NO_SUCH_BANK = "NL57MOCK0000000004"
EUR = "EUR"


DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)
OPENING = 12_500_000
"""What the bank starts our account with: 125,000.00."""


def open_bank(settings: Settings, folder: Path) -> Bank:
    """A bank with an account of ours, and our side set up to pay euros from it."""
    settings.BANK_FILES = str(folder)
    settings.BANK_ACCOUNT_NAME = "Cadre Payments B.V."
    settings.BANK_ACCOUNT_IBAN = OURS
    settings.BANK_ACCOUNT_BIC = "MOCKNL2A"
    settings.PAYOUT_RAILS = {"iban:EUR:*": "sepa_file"}
    settings.FUNDING_PROVIDER = "sepa_file"
    return Bank(folder)


class Bank:
    """The other side."""

    def __init__(self, folder: Path, *, start: str = "2026-11-16T10:00") -> None:
        self.out, self.into = folder / "out", folder / "in"
        self.state = State(
            Config(
                drop_dir=str(self.out),
                pickup_dir=str(self.into),
                drop_settle_ms=0,
                clock=start,
                quiet=True,
            )
        )

    def read_our_files(self) -> list[str]:
        """What the bank said about each file it found."""
        return [scanned.status for scanned in self.state.dropbox.scan()]

    def sleep(self, days: int = 1) -> None:
        """Days pass at the bank: it books, closes the day, sends statements and returns."""
        self.state.clock.advance(days=days)

    def behave(self, account: str, **fields: Any) -> None:
        bank_accounts.update(self.state.conn, account, fields)

    def credit(self, minor: int, *, note: str, name: str = "Acme AI Labs", wrap: int = 140) -> None:
        """A payer sends us money."""
        body = {
            "account": "ACME",
            "amount": minor,
            "note": note,
            "wrap": wrap,
            "debtor": {"name": name, "iban": "NL14MOCK0000000002"},
        }
        bank_credits.create(self.state.conn, self.state.clock, self.state.now(), body)
        self.state.release()

    def balance(self) -> int:
        row = bank_accounts.get(self.state.conn, "ACME")
        return int(row["balance"]) if row else 0

    def movements(self) -> list[tuple[str, int]]:
        """Every debit that the bank booked, by EndToEndId."""
        rows = bank_db.rows(self.state.conn, "SELECT * FROM payment WHERE booked_at IS NOT NULL ORDER BY id")
        return [(row["end_to_end_id"], row["amount"]) for row in rows]

    def waiting(self) -> list[Path]:
        return sorted(path for path in self.into.iterdir() if path.is_file())

    def hold_back(self, *kinds: str) -> list[tuple[Path, bytes]]:
        """Take files of these kinds out of our reach, to be given back later."""
        held = [(path, path.read_bytes()) for path in self.waiting() if path.name.startswith(kinds)]
        for path, _content in held:
            path.unlink()
        return held

    def close(self) -> None:
        self.state.close()


def give_back(held: list[tuple[Path, bytes]]) -> None:
    for path, content in held:
        path.write_bytes(content)


def payee(name: str, iban: str = GOOD) -> Expert:
    """An expert who is paid euros into an account."""
    expert = story.new_expert(name, ready=False)
    with unit_of_work(SYSTEM):
        tax_profiles.declare(
            expert=expert,
            form="self_declaration",
            legal_name=name,
            country="NL",
            signed_name=name,
            now=LONG_AGO,
        )
        method = payees.add_method(
            expert=expert,
            method_type="iban",
            currency=EUR,
            country="NL",
            holder=name,
            details={"iban": iban},
            now=LONG_AGO,
        )
        assert method.provider == "sepa_file"
        payees.verify_method(method=method, by=story.new_user("Fin"), now=LONG_AGO)
    assert PayoutMethod.objects.get(pk=method.pk).status == "active"
    return expert


def paid_run(bank: Bank, *people: tuple[str, str, int]) -> list[Payout]:
    """A released run of euros for people with an account and an amount each, the money for it on our account."""
    lab = euro_lab(sum(minor for _name, _iban, minor in people))
    for name, iban, minor in people:
        story.earn(payee(name, iban), minor, lab=lab, currency=EUR)
    story.released_run(currency=EUR)
    return list(Payout.objects.order_by("pk"))


def euro_lab(minor: int) -> Tenant:
    return story.new_lab(funded=minor, currency=EUR)


def we_send(now: dt.datetime = NOW) -> None:
    sending.send_due(now=now)
    tracking.track_due(now=now)


def we_collect(now: dt.datetime = NOW) -> None:
    """What the job does, and the tracker after it."""
    provider_books.read_bank(now=now)
    tracking.track_due(now=now)
    with unit_of_work(SYSTEM):
        assert ledger_findings.findings() == []


def our_cash() -> int:
    """Our books: minor units of euros at the bank."""
    key = accounts.cash("sepa_file", EUR).text
    with unit_of_work(SYSTEM):
        return -sum(Posting.objects.filter(account__key=key).values_list("amount", flat=True))


def statuses() -> list[str]:
    return list(Payout.objects.order_by("pk").values_list("status", flat=True))


def transfers() -> list[str]:
    return list(BankTransfer.objects.order_by("pk").values_list("status", flat=True))


def open_items() -> list[str]:
    return list(ReconciliationItem.objects.filter(status="open").order_by("pk").values_list("kind", flat=True))


def days() -> list[tuple[str, str, str]]:
    return [(row.day.isoformat(), row.status, row.obstacle) for row in DayClose.objects.order_by("day")]


def take_over_opening(now: dt.datetime = NOW) -> None:
    """People say that what was on the account before is the platform's: two of them, where it is much."""
    with unit_of_work(SYSTEM):
        item = ReconciliationItem.objects.get(kind="opening_balance", status="open")
        made = reconciliation_acts.take_over(item=item, reason="Own capital.", by=story.new_user("Fin"), now=now)
        if isinstance(made, AdjustmentProposal):
            four_eyes.approve(proposal=made, decided_by=story.new_user("Too"), side=made.side, now=now)
