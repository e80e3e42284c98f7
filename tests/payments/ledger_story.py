"""People and money for tests of the ledger and of payouts: made through the same operations as in life."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import Decimal
from itertools import count

from core.money import Money
from core.public import Principal, Tenant, User, unit_of_work
from experts.operations import appeals
from experts.public import Appeal, Expert, Restriction, record_decision
from payments import accounts, ledger
from payments.models import FxQuote, Payout, PayoutDecision, PayoutMethod, PayRun, ProviderFault
from payments.operations.exchange import quotes
from payments.operations.labs import funding
from payments.operations.pay import beside_postings, four_eyes, postings
from payments.operations.pay.beside_postings import ExpertPay
from payments.operations.pay.postings import ApprovedTime
from payments.operations.payee import payees, tax_profiles
from payments.operations.rails import payout_decisions, payouts, sending, tracking
from payments.operations.runs import pay_runs

MONDAY = dt.datetime(2026, 11, 16, tzinfo=dt.UTC)
"""The cutoff of the week in which the tests pay."""
NOW = MONDAY + dt.timedelta(hours=10)
LONG_AGO = MONDAY - dt.timedelta(days=30)
SYSTEM = Principal.system("tests")

_numbers = count(1)


def new_user(name: str = "Somebody") -> User:
    return User.objects.create_user(f"{name.lower()}{next(_numbers)}@example.org", name=name)


def new_expert(name: str = "Ada", *, account: str = "", currency: str = "USD", ready: bool = True) -> Expert:
    """An expert; when ``ready`` with an old enough payout method at the sandbox provider and signed tax papers."""
    expert = Expert.objects.create(user=new_user(name), legal_name=name, country="US")
    if ready:
        add_method(expert, account=account or f"acct-{expert.pk}", currency=currency)
        sign_tax(expert)
    return expert


def sign_tax(expert: Expert) -> None:
    """His tax papers, long ago."""
    with unit_of_work(SYSTEM):
        tax_profiles.declare(
            expert=expert,
            form="w9",
            legal_name=expert.legal_name,
            country="US",
            tax_id="123-45-6780",
            signed_name=expert.legal_name,
            now=LONG_AGO,
        )


def add_method(
    expert: Expert, *, account: str, currency: str = "USD", now: dt.datetime = LONG_AGO, method_type: str = "sandbox"
) -> PayoutMethod:
    with unit_of_work(SYSTEM):
        return payees.add_method(
            expert=expert,
            method_type=method_type,
            currency=currency,
            country="US",
            holder=expert.legal_name,
            details={"account": account},
            now=now,
        )


def new_lab(*, funded: int = 0, currency: str = "USD") -> Tenant:
    tenant = Tenant.objects.create(name=f"Lab {next(_numbers)}")
    if funded:
        with unit_of_work(SYSTEM):
            funding.announce(tenant_id=tenant.pk, amount=Money(funded, currency), by=SYSTEM, now=LONG_AGO)
    return tenant


def earn(
    expert: Expert,
    minor: int,
    *,
    lab: Tenant,
    currency: str = "USD",
    fee: int = 0,
    at: dt.datetime = MONDAY - dt.timedelta(days=2),
    source: str = "",
) -> str:
    """Hours of the expert are approved; returns their id."""
    source = source or f"tme_{next(_numbers)}"
    with unit_of_work(SYSTEM):
        postings.time_approved(
            entries=[
                ApprovedTime(
                    source_id=source,
                    tenant_id=lab.pk,
                    contract_id=0,
                    expert_id=expert.pk,
                    currency=currency,
                    gross_minor=minor,
                    fee_minor=fee,
                    effective_at=at,
                )
            ],
            now=at,
        )
    return source


def owed(expert: Expert, currency: str = "USD") -> int:
    key = accounts.payable(expert.pk, currency)
    with unit_of_work(SYSTEM):
        return ledger.balances(keys=[key])[key]


def prepaid(lab: Tenant, currency: str = "USD") -> int:
    key = accounts.lab_prepaid(lab.pk, currency)
    with unit_of_work(SYSTEM):
        return ledger.balances(keys=[key])[key]


def digest_of(run: PayRun) -> str:
    run.refresh_from_db()
    return run.lines_digest


def send_and_track(now: dt.datetime = NOW) -> None:
    """What the workers do once."""
    sending.send_due(now=now)
    tracking.track_due(now=now)


def claw_back(expert: Expert, minor: int, *, lab: Tenant, now: dt.datetime = NOW) -> None:
    pay = ExpertPay(f"adj_{next(_numbers)}", expert.pk, "USD", minor, now, tenant_id=lab.pk)
    with unit_of_work(SYSTEM):
        beside_postings.clawback(pay=pay, now=now)


def block(expert: Expert, *, by: User, now: dt.datetime = NOW) -> None:
    """A decision holds the expert's payouts."""
    with unit_of_work(SYSTEM):
        decision = record_decision(
            expert=expert,
            act="payouts_held",
            subject=expert.public_id,
            reason_code="fraud_check",
            explanation="An account takeover is being looked into.",
            evidence={},
            decided_by=by,
            now=now,
        )
        Restriction.objects.create(
            expert=expert, kind="no_payouts", reason="Fraud check.", starts_at=now, decision=decision
        )


def unblock(expert: Expert) -> None:
    """The decision holds no longer; nobody has looked at what it stopped yet."""
    with unit_of_work(SYSTEM):
        Restriction.objects.filter(expert=expert).update(ends_at=NOW + dt.timedelta(seconds=1))


def released_run(*, currency: str = "USD", now: dt.datetime = NOW) -> PayRun:
    """Somebody prepares the run of the last cutoff, somebody else releases it."""
    with unit_of_work(SYSTEM):
        run = pay_runs.prepare(currency=currency, by=new_user("Prep"), now=now)
        return pay_runs.release(
            run=run, digest=run.lines_digest, recently_authenticated=True, by=new_user("Rel"), now=now
        )


def quoted(
    rate: Decimal | str,
    *,
    sell: str = "USD",
    buy: str = "EUR",
    spread_bp: int = 0,
    valid_until: dt.datetime,
    now: dt.datetime = NOW,
) -> FxQuote:
    """A quote that one of finance proposed and another approved, whatever its rate; inside the platform's scope."""
    offered = quotes.Offered(sell, buy, Decimal(rate), spread_bp, valid_until, "tests")
    made = quotes.quote(offered=offered, reason="The tests say so.", by=new_user("Fin"), now=now)
    if isinstance(made, FxQuote):
        return made
    done = four_eyes.approve(proposal=made, decided_by=new_user("Fin"), side="platform", now=now)
    return FxQuote.objects.get(public_id=done.outcome)


def act(operation: Callable[..., Payout], *, payout: Payout, now: dt.datetime = NOW) -> Payout:
    """Two members of finance decide about a payout."""
    return _by_finance(operation, payout, new_user("Fin"), now=now)


def missed(payout: Payout, *, now: dt.datetime) -> Appeal:
    """Its expert says that a payout which counts as paid is not on the account."""
    with unit_of_work(SYSTEM):
        return appeals.file_appeal(expert=payout.expert, subject=payout.public_id, reason="It is not there.", now=now)


def found_missing(payout: Payout, *, now: dt.datetime) -> None:
    """And somebody decides that he is right."""
    with unit_of_work(SYSTEM):
        asked = missed(payout, now=now)
        appeals.decide(appeal=asked, outcome="overturned", note="Not found.", by=new_user("Judge"), now=now)


def booked_back(payout: Payout, *, now: dt.datetime) -> None:
    """And two members of finance book it back."""
    found_missing(payout, now=now)
    with unit_of_work(SYSTEM):
        made = payout_decisions.propose(
            payout=payout, act="lost", reason="Traced.", recently_authenticated=True, by=new_user("One"), now=now
        )
        assert made is not None
        payout_decisions.approve(decision=made, recently_authenticated=True, by=new_user("Two"), now=now)


def platform() -> AbstractContextManager[None]:
    """Act as the platform."""
    return unit_of_work(SYSTEM)


def fault(kind: str, *, account: str, code: str = "", times: int = 1) -> None:
    """The sandbox provider misbehaves for an account."""
    ProviderFault.objects.create(account=account, type=kind, code=code, remaining=times)


def retry_of(payout: Payout) -> Callable[[], Payout]:
    """A retry by a new member of finance, to be called later."""
    by = new_user("Fin")
    return lambda: _by_finance(payouts.retry, payout, by)


def cancel_of(payout: Payout) -> Callable[[], Payout]:
    """A cancellation by a new member of finance, to be called later."""
    by = new_user("Fin")
    return lambda: _by_finance(payouts.cancel, payout, by)


def _by_finance(operation: Callable[..., Payout], payout: Payout, by: User, *, now: dt.datetime = NOW) -> Payout:
    with unit_of_work(SYSTEM):
        method = PayoutMethod.objects.filter(expert=payout.expert_id, currency=payout.currency, status="active")
        PayoutDecision.objects.create(
            payout=payout,
            act=operation.__name__,
            status="approved",
            payout_method=method.first() if operation is payouts.retry else payout.payout_method,
            reason="The test says so.",
            proposed_by=new_user("One"),
            proposed_at=now,
            decided_by=by,
            decided_at=now,
        )
        return operation(payout=payout, by=by, now=now)
