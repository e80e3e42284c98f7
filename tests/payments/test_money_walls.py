"""Every path of this floor answers another's id like a random one, and does nothing."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from django.urls import URLPattern

from core import ids
from core.money import Money
from core.public import Operation
from experts.public import Expert
from payments.api.urls import expert_urlpatterns, lab_urlpatterns
from payments.models import (
    Dispute,
    Funding,
    FxConversion,
    FxExchange,
    Invoice,
    Overage,
    Payout,
    PayoutMethod,
    Refund,
    Statement,
    TimeEntry,
    Timesheet,
)
from payments.operations.exchange import exchanges, fx
from payments.operations.labs import credit_notes, funding, invoices, refunds
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments.hours_world import HOUR, MONDAY, World, platform

pytestmark = pytest.mark.django_db(transaction=True)

PREFIXES = {
    "contract_id": "ctr",
    "project_id": "prj",
    "entry_id": "tme",
    "timesheet_id": "tsh",
    "overage_id": "ovg",
    "dispute_id": "dsp",
    "funding_id": "fnd",
    "earning_id": "tme",
    "payout_id": "pay",
    "statement_id": "stm",
    "method_id": "pmt",
    "invoice_id": "inv",
    "note_id": "crn",
    "exchange_id": "fxe",
    "milestone_id": "mst",
    "proposal_id": "prp",
    "adjustment_id": "adj",
    "refund_id": "rfd",
    "conversion_id": "fxc",
}
NOT_TRIED = {"provider", "year", "instruction_id"}
"""Names in addresses that are no ids of money, and the standing instruction, that its own tests try."""
SATURDAY = MONDAY + dt.timedelta(days=5)


def handlers(patterns: list[URLPattern]) -> list[tuple[str, str]]:
    """(method, path with names) of every endpoint that takes an id."""
    return [
        (method, str(pattern.pattern))
        for pattern in patterns
        for method in ("get", "post", "patch", "delete")
        if "<" in str(pattern.pattern) and hasattr(getattr(pattern.callback, "view_class", None), method)
    ]


def body_for(path: str, method: str, decider: str) -> Any:
    """What the endpoint wants to read before it looks for the thing."""
    if method in {"get", "delete"}:
        return None
    bodies = {
        "approve": {"decided_by": decider},
        "decline": {"decided_by": decider, "reason": "No."},
        "withdraw": {"decided_by": decider},
        "refuse": {"decided_by": decider, "reason": "No."},
        "end": {"decided_by": decider, "reason": "No."},
        "dispute": {"decided_by": decider, "reason": "No.", "proposed": "PT0S"},
        "answer": {"answer": "Yes."},
        "confirm": {"reason": "I was there."},
    }
    return {"reason": "Mine."} if method == "patch" else bodies.get(path.rpartition("/")[2])


@pytest.fixture
def world() -> World:
    """A week with time over a cap and a disputed entry, and a payout with its statement."""
    with platform():
        built = hours.build(day_cap=HOUR, week_cap=2 * HOUR)
    expert, lab = hours.expert_caller(built), hours.lab_caller(built)
    body = {"contract": built.contract.public_id, "activity": "task"}
    timer = expert("POST", "/expert/time-entries/start", body).json()["id"]
    for minutes in range(5, 95, 5):
        at = MONDAY + dt.timedelta(minutes=minutes)
        expert("POST", f"/expert/time-entries/{timer}/heartbeat", at=at)
    expert("POST", f"/expert/time-entries/{timer}/stop", at=MONDAY + dt.timedelta(minutes=90))
    sheet = expert("GET", "/expert/timesheets", at=SATURDAY).json()["results"][0]["id"]
    assert expert("POST", f"/expert/timesheets/{sheet}/submit", at=SATURDAY).status_code == 200
    entry = next(row for row in lab("GET", "/time-entries").json()["results"] if row["time"]["billable"] != "PT0S")
    dispute = {"decided_by": built.member.email, "reason": "Too long.", "proposed": "PT30M"}
    assert lab("POST", f"/time-entries/{entry['id']}/dispute", dispute, at=SATURDAY).status_code == 201
    return built


def exchanged_by(expert: Expert) -> FxExchange:
    """Euros that he is owed and cannot be paid, turned into dollars."""
    story.earn(expert, 5_000, lab=story.new_lab(), currency="EUR")
    until = SATURDAY + dt.timedelta(days=1)
    quote = story.quoted("1", sell="EUR", buy="USD", valid_until=until, now=SATURDAY)
    return exchanges.exchange(expert=expert, quote=quote, sold=Money(5_000, "EUR"), by=story.SYSTEM, now=SATURDAY)


def refunded_to(world: World) -> Refund:
    """Five dollars that came and went back."""
    came = Funding.objects.create(
        tenant=world.tenant, amount_minor=500, currency="USD", provider="tests", reference="CDR-5", requested_by="-"
    )
    funding.confirm(funding=came, by=story.new_user(), now=SATURDAY)
    return refunds.refund(funding=came, reason="Not needed.", by=story.new_user(), now=SATURDAY)


def converted_by(world: World) -> FxConversion:
    """A dollar of the lab's that became a euro."""
    quote = story.quoted("1", sell="USD", buy="EUR", valid_until=SATURDAY + dt.timedelta(days=1), now=SATURDAY)
    one = Money(100, "USD")
    return fx.convert(tenant_id=world.tenant.pk, quote=quote, sold=one, by=story.SYSTEM, now=SATURDAY)


def owned_by(world: World) -> dict[str, str]:
    """The ids of everything that the world and somebody who was paid have."""
    ada = story.new_expert()
    story.earn(ada, 5000, lab=story.new_lab(funded=10_000))
    story.released_run()
    asked = asked_of_the_api(world)
    invoices.issue_due(now=SATURDAY + dt.timedelta(days=30))
    with platform():
        invoice = Invoice.objects.earliest("pk")
        note = credit_notes.credit(invoice=invoice, part="everything", reason="Late", by=ada.user, now=SATURDAY)
        rows: dict[str, Any] = {
            "invoice_id": invoice,
            "note_id": note,
            "contract_id": world.contract,
            "project_id": world.contract.project,
            "entry_id": TimeEntry.objects.filter(status="disputed").get(),
            "earning_id": TimeEntry.objects.filter(status="disputed").get(),
            "timesheet_id": Timesheet.objects.get(),
            "overage_id": Overage.objects.get(),
            "dispute_id": Dispute.objects.get(),
            "payout_id": Payout.objects.get(),
            "statement_id": Statement.objects.get(),
            "method_id": PayoutMethod.objects.get(),
            "exchange_id": exchanged_by(ada),
            "refund_id": refunded_to(world),
            "conversion_id": converted_by(world),
        }
    found = {name: row.public_id for name, row in rows.items()}
    return found | asked


def asked_of_the_api(world: World) -> dict[str, str]:
    """What the lab has announced, proposed and promised."""
    funded = hours.lab_caller(world, "funding:write")(
        "POST", "/funding", {"amount": {"amount": "5.00", "currency": "USD"}}
    )
    lab = hours.lab_caller(world)
    by = {"decided_by": world.member.email}
    big = {"amount": "1000.01", "currency": "USD"}
    proposal = lab("POST", "/bonuses", {"contract": world.contract.public_id, "amount": big, "reason": "Good.", **by})
    milestone = {
        "project": world.contract.project.public_id,
        "title": "One good hour",
        "basis": "approved_hours",
        "count": 9,
        "amount": {"amount": "5.00", "currency": "USD"},
        "budget": {"amount": "5.00", "currency": "USD"},
        **by,
    }
    small = {"amount": "1.00", "currency": "USD"}
    answers = {
        "funding_id": funded,
        "adjustment_id": lab(
            "POST", "/bonuses", {**by, "contract": world.contract.public_id, "amount": small, "reason": "-"}
        ),
        "proposal_id": proposal,
        "milestone_id": lab("POST", "/milestones", milestone),
    }
    return {name: answer.json()["id"] for name, answer in answers.items()}


def test_anothers_ids_are_not_there(world: World) -> None:
    mine = owned_by(world)
    random = {name: ids.new_id(prefix) for name, prefix in PREFIXES.items()}
    with platform():
        rival = hours.build(name="Borealis")
    scopes = (
        "timesheets:write",
        "funding:read",
        "balance:read",
        "contracts:read",
        "projects:read",
        "invoices:read",
        "bonuses:write",
    )
    lab, stranger = hours.lab_caller(rival, *scopes), hours.expert_caller(rival)
    tried = 0
    for call, base, patterns in ((lab, "", lab_urlpatterns), (stranger, "/expert", expert_urlpatterns)):
        for method, route in handlers(patterns):
            answers = []
            for values in (mine, random):
                path = route
                for name, value in values.items():
                    path = path.replace(f"<str:{name}>", value)
                assert set(re.findall(r"<\w+:(\w+)>", path)) <= NOT_TRIED, path
                answers.append(
                    call(method.upper(), f"{base}/{path}", body_for(route, method, rival.member.email), at=SATURDAY)
                )
            assert [answer.status_code for answer in answers] == [404, 404], (method, route, answers[0].content)
            found = [{k: v for k, v in a.json().items() if k not in {"instance", "request_id"}} for a in answers]
            assert found[0] == found[1], (method, route)
            tried += 1
    assert tried >= 25
    with platform():
        assert (Dispute.objects.get().status, Overage.objects.get().status) == ("open", "open")
        assert Timesheet.objects.get().status == "submitted"
        assert PayoutMethod.objects.get().status == "active"


def test_operations_of_one_side_are_not_the_others(world: World) -> None:
    with platform():
        rival = hours.build(name="Borealis")
        mine = Operation.objects.create(kind="x", tenant=world.tenant, actor="key:x")
        his = Operation.objects.create(kind="x", user=world.user, actor="user:x")
    lab, stranger = hours.lab_caller(rival, "operations:read"), hours.expert_caller(rival)
    assert lab("GET", f"/operations/{mine.public_id}").status_code == 404
    assert lab("GET", f"/operations/{his.public_id}").status_code == 404
    assert stranger("GET", f"/expert/operations/{mine.public_id}").status_code == 404
    assert stranger("GET", f"/expert/operations/{his.public_id}").status_code == 404
