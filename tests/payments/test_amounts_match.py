"""Every amount that the API shows of money that moved is a sum over the journal, asked with SQL of its own.

The list of amounts is the OpenAPI document's: one that is added there and has no sum here fails.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from django.conf import settings
from django.db import connection

from core.money import Money
from payments.models import (
    Adjustment,
    CreditNote,
    Dispute,
    Funding,
    Invoice,
    Payout,
    Refund,
    Statement,
    TaxProfile,
    TimeEntry,
    Timesheet,
)
from payments.operations.hours import disputes, time_entries, timesheets
from payments.operations.labs import credit_notes, funding, invoices, refunds
from payments.operations.pay import clawbacks
from tests.invariants import assert_money_is_whole
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments import paper_world as papers
from tests.payments.hours_world import HOUR, MONDAY, PLATFORM, World, platform

pytestmark = pytest.mark.django_db(transaction=True)

DAY = dt.timedelta(days=1)
ASKED = dt.datetime(2026, 12, 2, 12, tzinfo=dt.UTC)
"""After November was billed."""

_LEGS: Final = """SELECT COALESCE(sum(p.amount), 0) FROM payments_posting p JOIN payments_account a ON a.id = p.account_id
    JOIN payments_journalentry e ON e.id = p.entry_id WHERE p.currency = 'USD' AND """


def his(which: str) -> str:
    """Legs on the expert's accounts."""
    return f"({_LEGS} a.expert_id = %(expert)s AND {which})"


def labs(which: str) -> str:
    """Legs, on whatever account, of events that concern the lab."""
    return f"({_LEGS} e.tenant_id = %(tenant)s AND {which})"


def own(which: str) -> str:
    """Legs on the lab's accounts."""
    return f"({_LEGS} a.tenant_id = %(tenant)s AND {which})"


PAY: Final = "a.kind IN ('expert_payable', 'expert_holdback')"
PAYABLE: Final = "a.kind = 'expert_payable'"
FEE: Final = "a.kind = 'fee_income'"
OWN: Final = "a.kind IN ('lab_prepaid', 'lab_reserved', 'lab_receivable')"
SENT: Final = "e.kind = 'payout_initiated' AND a.kind = 'transit'"
TAX: Final = "e.kind = 'payout_initiated' AND a.kind = 'tax_withheld'"
TIME: Final = "e.kind = 'time_approved'"
FIRST: Final = f"{TIME} AND e.seq = (SELECT min(f.seq) FROM payments_journalentry f WHERE f.kind = e.kind AND f.source_id = e.source_id)"
CHANGED: Final = f"e.kind NOT LIKE 'holdback%%' AND e.kind NOT LIKE 'payout%%' AND e.kind <> 'bonus' AND NOT ({FIRST})"
IN_NOVEMBER: Final = "e.id <= (SELECT max(upto_entry) FROM payments_invoice)"
UPTO_PAPER: Final = "e.id <= (SELECT upto_entry FROM payments_statement WHERE public_id = %(id)s)"
EARNED: Final = his(f"{PAY} AND e.kind NOT LIKE 'payout%%'")
OPEN: Final = """(SELECT COALESCE(sum({0}), 0) FROM payments_timeentry t
    JOIN marketplace_ratesnapshot s ON s.id = t.snapshot_id WHERE t.gross_minor IS NULL AND t.tenant_id = %(tenant)s)"""
OPEN_PAY: Final = OPEN.format("round(t.seconds * s.rate_minor / 3600.0)")
OPEN_FEE: Final = OPEN.format("round(round(t.seconds * s.rate_minor / 3600.0) * s.fee_bp / 10000.0)")
FIRST_PAY, FIRST_FEE = labs(f"{PAY} AND {FIRST}"), labs(f"{FEE} AND {FIRST}")
BONUS, BONUS_FEE = labs(f"{PAY} AND e.kind = 'bonus'"), labs(f"{FEE} AND e.kind = 'bonus'")
NOTE = "e.source_id LIKE 'crn%%'"
CHANGES, CHANGES_FEE = labs(f"{PAY} AND {CHANGED}"), labs(f"{FEE} AND {CHANGED} AND NOT {NOTE}")
CHARGED = f"({FIRST_PAY} + {FIRST_FEE} + {BONUS} + {BONUS_FEE} + {CHANGES} + {CHANGES_FEE})"
NOTE_FEE = f"(-{labs(f'{FEE} AND {NOTE}')})"
NOTE_PAY = "(-" + labs(f"a.kind = 'expense' AND {NOTE}") + ")"
NOTE_ALL = own(f"{NOTE} AND {OWN}")
PREPAID, RESERVED = own("a.kind = 'lab_prepaid'"), own("a.kind = 'lab_reserved'")
OWED = "(-" + own("a.kind = 'lab_receivable'") + ")"
GROSS_OUT = "(-" + his(f"{PAYABLE} AND e.kind = 'payout_initiated'") + ")"
NET_OUT, TAX_OUT = f"({_LEGS} {SENT})", f"({_LEGS} {TAX})"
OWED_NOW = his(PAYABLE)
TAX_NEXT = f"""round({OWED_NOW} * (
    SELECT withholding_bp FROM payments_taxprofile WHERE expert_id = %(expert)s) / 10000.0)"""
BILLED = own(f"{OWN} AND {IN_NOVEMBER}")
REFUNDED = own("a.kind = 'lab_prepaid' AND e.kind LIKE '%%refund%%'")
THIS = "e.source_id = %(id)s"
HOURS_UPTO = f"e.kind LIKE 'time%%' AND {UPTO_PAPER}"
LINES_GROSS, LINES_HELD = his(f"{PAY} AND {HOURS_UPTO}"), his(f"a.kind = 'expert_holdback' AND {HOURS_UPTO}")
OF_WEEK = """e.source_id IN (SELECT t.public_id FROM payments_timeentry t
    JOIN payments_timesheet w ON w.id = t.timesheet_id WHERE w.public_id = %(id)s)"""
SETTLED: Final = "e.kind NOT LIKE 'holdback%%' AND e.kind NOT LIKE 'payout%%'"
ABOUT: Final = """(e.source_id {0} OR e.source_id IN (SELECT a.public_id FROM payments_adjustment a
    JOIN payments_timeentry t ON t.id = a.entry_id WHERE t.public_id {0}))"""
NET_OF_THIS = ABOUT.format("= %(id)s")
NET_OF_WEEK = ABOUT.format(OF_WEEK.removeprefix("e.source_id "))
WEEK_PAY, WEEK_FEE = labs(f"{PAY} AND {FIRST} AND {OF_WEEK}"), labs(f"{FEE} AND {FIRST} AND {OF_WEEK}")
RECEIVED = "(SELECT COALESCE(sum(received_minor), 0) FROM payments_funding WHERE tenant_id = %(tenant)s)"
ARRIVED = own(f"a.kind = 'lab_prepaid' AND {THIS}")
NOTHING = "0"
_PAPER: Final = {
    "hours.pay": f"{FIRST_PAY} + {CHANGES}",  # what was changed in the month that is billed is billed as changed
    "hours.fee": f"{FIRST_FEE} + {CHANGES_FEE}",
    "extras.pay": BONUS,
    "extras.fee": BONUS_FEE,
    "corrections.pay": NOTHING,
    "corrections.fee": NOTHING,
    "total": CHARGED,
    "due": NOTHING,
    "vat": NOTHING,
    "credited": NOTE_ALL,
}
_NOTE: Final = {"pay": NOTE_PAY, "fee": NOTE_FEE, "total": NOTE_ALL, "vat": NOTHING}
_RATE: Final = {"earned": EARNED, "weeks[].earned": EARNED, "added": NOTHING, "weeks[].added": NOTHING}
_SHEET: Final = {"amount": f"{FIRST_PAY} + {OPEN_PAY}", "fee": f"{FIRST_FEE} + {OPEN_FEE}"}
_ENTRY: Final = _SHEET | {
    "net_amount": f"{FIRST_PAY} + {CHANGES} + {OPEN_PAY}",
    "net_fee": f"{FIRST_FEE} + {CHANGES_FEE} + {OPEN_FEE}",
}
_PAYOUT: Final = {"amount": NET_OUT, "withheld": TAX_OUT}
_STATEMENT: Final = {
    "opening": NOTHING,
    "closing": his(f"{PAYABLE} AND e.id <= (SELECT max(upto_entry) FROM payments_statement)"),
    "paid": NET_OUT,
    "withheld": TAX_OUT,
}
_PAID: Final = {"gross": GROSS_OUT, "net": NET_OUT, "withheld": TAX_OUT}


def each(row: Mapping[str, str], prefix: str = "results[].") -> dict[str, str]:
    return {f"{prefix}{name}": one for name, one in row.items()}


FIGURES: Final[dict[str, dict[str, str]]] = {
    "adjustments": each({"amount": f"{BONUS} + {CHANGES}", "fee": f"{BONUS_FEE} + {CHANGES_FEE}"}),
    "adjustments/{adjustment_id}": {"amount": labs(f"{PAY} AND {THIS}"), "fee": labs(f"{FEE} AND {THIS}")},
    "balance": {
        "balances[].available": PREPAID,
        "balances[].prepaid": PREPAID,
        "balances[].reserved": RESERVED,
        "balances[].owed": OWED,
        "balances[].credit_limit": NOTHING,
    },
    "lab": {"balances[].available": PREPAID, "balances[].reserved": RESERVED, "balances[].receivable": OWED},
    "balance/statement": {"opening": NOTHING, "lines[].amount": PREPAID, "closing": PREPAID},
    "bonuses": each({"amount": BONUS, "fee": BONUS_FEE, "counted_with": NOTHING}),
    "contracts/{contract_id}/effective-rate": _RATE,
    "projects/{project_id}/effective-rates": each(_RATE),
    "credit-notes": each(_NOTE),
    "credit-notes/{note_id}": _NOTE,
    "disputes": each({"set_aside": NOTHING}),
    "disputes/{dispute_id}": {"set_aside": NOTHING},
    "expert/contracts/{contract_id}/effective-rate": _RATE,
    "expert/disputes": each({"set_aside": NOTHING}),
    "expert/disputes/{dispute_id}": {"set_aside": NOTHING},
    "expert/earnings": {
        "buckets.approved[]": OWED_NOW,
        "buckets.on_hold[]": his("a.kind = 'expert_holdback'"),
        "buckets.paid[]": GROSS_OUT,
        "buckets.scheduled[]": NOTHING,
        "buckets.disputed[]": OPEN_PAY,
        "buckets.in_progress[]": NOTHING,
        "buckets.in_review[]": NOTHING,
        "lines[].amount": f"{EARNED} + {OPEN_PAY}",
        "next_payout.amount": f"{OWED_NOW} - {TAX_NEXT}",
        "next_payout.withheld": TAX_NEXT,
        "next_payouts[].amount": f"{OWED_NOW} - {TAX_NEXT}",
        "next_payouts[].withheld": TAX_NEXT,
    },
    "expert/pay-runs": each(_PAYOUT, "runs[]."),
    "expert/payouts": each(_PAYOUT),
    "expert/payouts/{payout_id}": _PAYOUT,
    "expert/statements": each(_STATEMENT),
    "expert/statements/{statement_id}": _STATEMENT
    | {
        "lines[].amount": his(f"{PAYABLE} AND {UPTO_PAPER}"),
        "lines[].gross": LINES_GROSS,
        "lines[].held_back": LINES_HELD,
    },
    "expert/statements/yearly": each(_PAID, "currencies[].")
    | each(_PAID, "currencies[].payments[].")
    | each(_PAID, "currencies[].quarters[].")
    | {"currencies[].labs[].gross": GROSS_OUT},
    "expert/time-entries": each({"amount": _SHEET["amount"]}),
    "expert/time-entries/{entry_id}": {"amount": his(f"{PAY} AND {FIRST} AND {THIS}")},
    "expert/timesheets": each({"amount": _SHEET["amount"]}),
    "expert/timesheets/{timesheet_id}": {"amount": WEEK_PAY, "entries[].amount": WEEK_PAY},
    "funding": each({"amount": own("a.kind = 'lab_prepaid' AND e.kind = 'lab_funded'"), "received": RECEIVED}),
    "funding/{funding_id}": {"amount": ARRIVED, "received": ARRIVED},
    "invoices": each(_PAPER),
    "invoices/{invoice_id}": _PAPER
    | each(_NOTE, "credit_notes[].")
    | {
        "balance.opening": NOTHING,
        "balance.closing": BILLED,
        "balance.charged": f"-({CHARGED})",
        "balance.paid_in": own(f"a.kind = 'lab_prepaid' AND e.kind = 'lab_funded' AND {IN_NOVEMBER}"),
        "balance.paid_back": own(f"a.kind = 'lab_prepaid' AND e.source_id LIKE 'rfd%%' AND {IN_NOVEMBER}"),
        "balance.other": NOTHING,
    },
    "refunds/{refund_id}": {"amount": "(-" + own(f"{OWN} AND {THIS}") + ")"},
    "refunds": each({"amount": f"(-{REFUNDED})"}),
    "time-entries": each(_ENTRY),
    "time-entries/{entry_id}": {
        "amount": labs(f"{PAY} AND {FIRST} AND {THIS}"),
        "fee": labs(f"{FEE} AND {FIRST} AND {THIS}"),
        "net_amount": labs(f"{PAY} AND {SETTLED} AND {NET_OF_THIS}"),
        "net_fee": labs(f"{FEE} AND {SETTLED} AND {NET_OF_THIS}"),
    },
    "timesheets": each(_SHEET),
    "timesheets/{timesheet_id}": each({"amount": WEEK_PAY, "fee": WEEK_FEE}, "")
    | each({"amount": WEEK_PAY, "fee": WEEK_FEE}, "entries[].")
    | {
        "entries[].net_amount": labs(f"{PAY} AND {SETTLED} AND {NET_OF_WEEK}"),
        "entries[].net_fee": labs(f"{FEE} AND {SETTLED} AND {NET_OF_WEEK}"),
    },
}
"""Address → amount in the answer → what it comes to over all rows."""

PRICES: Final = {
    "amendments/{amendment_id}",
    "contracts/{contract_id}/amendments",
    "offers",
    "offers/{offer_id}",
    "openings/{opening_id}/offers",
    "projects",
    "projects/{project_id}",
    "projects/{project_id}/quote",
    "expert/referrals/programme",
}
"""What something would cost: nothing of it is in the books."""
ELSEWHERE: Final = {
    "balance/conversions": "test_fx.py",
    "balance/conversions/{conversion_id}": "test_fx.py",
    "bonuses/proposals": "test_bonuses.py",
    "bonuses/proposals/{proposal_id}": "test_bonuses.py",
    "milestones": "test_milestones.py",
    "milestones/{milestone_id}": "test_milestones.py",
    "expert/exchange-quotes": "test_fx_exchanges.py",
    "expert/exchanges": "test_fx_exchanges.py",
    "expert/exchanges/{exchange_id}": "test_fx_exchanges.py",
    "expert/milestones": "test_milestones.py",
    "expert/referrals": "test_referrals.py",
    "expert/self-billing-invoices": "test_self_billing.py",
    "expert/self-billing-invoices/{invoice_id}": "test_self_billing.py",
    "expert/tax-forms/{year}": "test_yearly_papers.py",
    "expert/earnings/{earning_id}/explain": "test_statement_explained.py",
}
"""Money that this story does not move, and the test of the folder that does."""


def documented() -> dict[str, set[str]]:
    """Address → amounts, of every GET whose answer shows money."""
    document = yaml.safe_load((Path(settings.BASE_DIR) / "docs/openapi.yaml").read_text())
    schemas, found = document["components"]["schemas"], {}
    for path, methods in document["paths"].items():
        answer = methods.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        schema = answer.get("application/json", {}).get("schema", {})
        if amounts := {one.removeprefix(".") for one in _amounts(schema, "", schemas, ())}:
            found[path.removeprefix("/api/v1/")] = amounts
    return found


def _amounts(schema: dict[str, Any], at: str, schemas: Mapping[str, Any], seen: tuple[str, ...]) -> Iterator[str]:
    if name := schema.get("$ref", "").rpartition("/")[2]:
        if name not in seen:
            yield from _amounts(schemas[name], at, schemas, (*seen, name))
        return
    if set(schema.get("properties", ())) == {"amount", "currency"}:
        yield at
        return
    for way in ("allOf", "oneOf", "anyOf"):
        for part in schema.get(way, ()):
            yield from _amounts(part, at, schemas, seen)
    for name, part in schema.get("properties", {}).items():
        yield from _amounts(part, f"{at}.{name}", schemas, seen)
    if "items" in schema:
        yield from _amounts(schema["items"], f"{at}[]", schemas, seen)


def shown(answer: Any, at: str = "") -> Iterator[tuple[str, int]]:
    """Each amount of an answer with its place, in minor units."""
    if isinstance(answer, list):
        for row in answer:
            yield from shown(row, f"{at}[]")
    elif isinstance(answer, dict) and set(answer) == {"amount", "currency"} and isinstance(answer["amount"], str):
        assert answer["currency"] == "USD", at
        yield at.removeprefix("."), int(Decimal(answer["amount"]) * 100)
    elif isinstance(answer, dict):
        for name, part in answer.items():
            yield from shown(part, f"{at}.{name}")


@pytest.fixture
def world() -> World:
    """Hours, a bonus, a correction, a clawback, part held back; paid with tax withheld; later weeks owed and contested."""
    world = papers.with_extras(papers.build(week_cap=40 * HOUR))
    with platform():
        first = TimeEntry.objects.earliest("pk")
        clawbacks.claw_back(
            source=clawbacks.find(first.public_id),
            amount=Money(3_333, "USD"),
            reason="Paid twice.",
            decided_by=world.member,
            now=papers.APPROVED + dt.timedelta(hours=4),
        )
        TaxProfile.objects.filter(expert=world.expert).update(withholding_bp=2_400)
    papers.paid(world)
    with platform():
        papers.worked(world, 95, 61, since=MONDAY)
        _contested(world, MONDAY + 7 * DAY)
        more = funding.announce(tenant_id=world.tenant.pk, amount=Money(5_000, "USD"), by=PLATFORM, now=MONDAY)
        refunds.refund(funding=more, reason="Not needed.", by=story.new_user(), now=MONDAY + 9 * DAY)
    invoices.issue_due(now=ASKED - DAY)
    with platform():
        credit_notes.credit(invoice=Invoice.objects.get(), part="fee", reason="Late.", by=story.new_user(), now=ASKED)
    return world


def _contested(world: World, start: dt.datetime) -> None:
    (entry,) = time_entries.log(
        contract=world.contract,
        activity="task",
        claim=None,
        started_at=start,
        ended_at=start + dt.timedelta(minutes=47),
        reason="-",
        now=start + DAY / 4,
    )
    sheet = timesheets.submit(timesheet=entry.timesheet, by=PLATFORM, now=start + DAY)
    disputes.open_against(
        entry=sheet.entries.get(),
        reason="-",
        proposed_seconds=0,
        decided_by=world.member,
        by=PLATFORM,
        now=start + DAY,
    )


def ids_of(world: World) -> dict[str, str]:
    """The id for each name in an address."""
    with platform():
        rows: dict[str, Any] = {
            "contract_id": world.contract,
            "project_id": world.contract.project,
            "entry_id": TimeEntry.objects.earliest("pk"),
            "timesheet_id": Timesheet.objects.earliest("pk"),
            "dispute_id": Dispute.objects.get(),
            "payout_id": Payout.objects.get(),
            "statement_id": Statement.objects.get(),
            "invoice_id": Invoice.objects.get(),
            "note_id": CreditNote.objects.get(),
            "adjustment_id": Adjustment.objects.get(kind=Adjustment.Kind.CLAWBACK),
            "refund_id": Refund.objects.get(),
            "funding_id": Funding.objects.earliest("pk"),
        }
    return {name: str(row.public_id) for name, row in rows.items()}


def summed(sql: str, world: World, row: str) -> int:
    with platform(), connection.cursor() as cursor:
        known: dict[str, str | int] = {"tenant": world.tenant.pk, "expert": world.expert.pk, "id": row}
        cursor.execute(f"SELECT {sql}", known)
        return int(cursor.fetchone()[0])


def test_every_amount_of_the_document_has_a_sum_here() -> None:
    found = documented()
    assert len(found) > 40
    assert {path for path in found if path not in PRICES and path not in ELSEWHERE} == set(FIGURES)
    for path, sums in FIGURES.items():
        assert set(sums) == found[path], path
    assert set(found) >= PRICES | set(ELSEWHERE)
    for file in ELSEWHERE.values():
        assert (Path(__file__).parent / file).exists(), file


def test_amounts_in_every_answer_match_the_ledger(world: World) -> None:
    scopes = ("timesheets", "bonuses", "balance", "funding", "invoices", "contracts", "projects", "lab")
    lab, expert = hours.lab_caller(world, *(f"{scope}:read" for scope in scopes)), hours.expert_caller(world)
    ids, wrong, not_zero = ids_of(world), [], 0
    for path, sums in FIGURES.items():
        query = {"balance/statement": "?currency=USD", "expert/statements/yearly": "?year=2026"}.get(path, "")
        row = next((value for name, value in ids.items() if f"{{{name}}}" in path), "")
        caller = expert if path.startswith("expert/") else lab
        answer = caller("GET", f"/{path.format(**ids)}{query}", at=ASKED)
        assert answer.status_code == 200, (path, answer.content)
        totals: dict[str, int] = defaultdict(int)
        for at, minor in shown(answer.json()):
            totals[at] += minor
        for at, sql in sums.items():
            not_zero += totals[at] != 0
            if totals[at] != (wanted := summed(sql, world, row)):
                wrong.append((path, at, totals[at], wanted))
    assert wrong == []
    assert not_zero > 60
    assert_money_is_whole()
