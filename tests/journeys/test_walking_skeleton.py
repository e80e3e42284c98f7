"""One lab, one expert, one task, one hour: from the deposit to the payout, the statement and the delivery."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from config.demo import cast, material, oracle
from config.demo.acts import hiring, paying, people
from config.demo.api import Api
from config.demo.cast import NORTHWIND
from config.demo.desk import Refused
from config.demo.shift import Sitting, work
from config.demo.stage import Stage, amount

ASSIGNMENT = material.HEART_FAILURE
RATE = Decimal("260.00")


def hire(stage: Stage, lab: Api) -> tuple[str, str]:
    """Fund, post, apply, offer, sign: project and contract."""
    lab.post("/funding", {"amount": {"amount": "10000.00", "currency": "USD"}})
    project = lab.post(
        "/projects",
        {
            "name": "Heart",
            "task_types": ["rubric_authoring"],
            "review_policy": "lab",
            "currency": "USD",
            "ai_assistance": "forbidden",
        },
    )["id"]
    lab.post(f"/projects/{project}/launch")
    opening = lab.post(
        f"/projects/{project}/openings",
        {
            "title": "Cardiologist",
            "seats": 1,
            "requirement": {"domain": "medicine.cardiology", "min_level": 4},
            "tier": "senior_expert",
            "weekly_cap": "PT10H",
        },
    )["id"]
    lab.post(f"/openings/{opening}/open")
    expert = stage.expert(cast.CARDIOLOGIST)
    application = expert.post("/applications", {"opening": opening})["id"]
    lab.post(f"/openings/{opening}/offers", {"applications": [application]})
    (offer,) = expert.pages("/invitations")
    assert offer["rate"]["amount"] == str(RATE)
    signatures = [
        {"agreement_version": document["agreement_version"], "typed_name": cast.CARDIOLOGIST.name}
        for document in offer["documents"]
    ]
    expert.refused(403, "POST", f"/offers/{offer['id']}/accept", {"signatures": []})
    return project, expert.post(f"/offers/{offer['id']}/accept", {"signatures": signatures})["id"]


def produce(stage: Stage, lab: Api, project: str, contract: str) -> None:
    """One task, claimed, timed for an hour, handed in, accepted by the lab."""
    batch = lab.post(f"/projects/{project}/batches", {"name": "One"})["id"]
    lab.operation(lab.post_lines(f"/batches/{batch}/tasks", [ASSIGNMENT.task()]))
    lab.post(f"/batches/{batch}/launch")
    expert = stage.expert(cast.CARDIOLOGIST)
    claim = expert.post("/claims", {"contract": contract})
    work(stage, [Sitting(cast.CARDIOLOGIST, contract, 60, claim=claim["id"])])
    expert.post(f"/claims/{claim['id']}/submit", {"submission": ASSIGNMENT.answer()})
    (submission,) = lab.pages("/submissions")
    lab.post(f"/submissions/{submission['id']}/accept", {"decided_by": NORTHWIND.address("reviewer")})


def approve(stage: Stage, lab: Api) -> Any:
    """The week is handed in and approved; the one entry as the expert sees it."""
    expert = stage.expert(cast.CARDIOLOGIST)
    hiring.next_monday(stage)
    (sheet,) = expert.pages("/timesheets")
    expert.post(f"/timesheets/{sheet['id']}/submit")
    lab.post(f"/timesheets/{sheet['id']}/approve", {"decided_by": NORTHWIND.address("manager")})
    hiring.next_monday(stage)
    (entry,) = expert.pages("/time-entries", status="approved")
    return entry


def name_an_account(expert: Api) -> None:
    """Where to pay, and the tax form that has to be there first."""
    expert.post(
        "/payout-methods",
        {
            "type": "sandbox",
            "currency": "USD",
            "country": "US",
            "holder": cast.CARDIOLOGIST.name,
            "details": {"account": "skeleton"},
        },
    )
    expert.post(
        "/tax-profile",
        {
            "form": "w9",
            "legal_name": cast.CARDIOLOGIST.name,
            "country": "US",
            "tax_id": "12-3456789",
            "signed_name": cast.CARDIOLOGIST.name,
        },
    )


def delivered(lab: Api, project: str) -> Any:
    """The one line of the project's delivery, after its checksum was compared."""
    done = lab.operation(lab.post(f"/projects/{project}/deliveries", {"format": "native"}))
    delivery = lab.get(f"/deliveries/{done['results'][0]['id']}")
    content = lab.download(f"/deliveries/{delivery['id']}/download").body
    assert hashlib.sha256(content).hexdigest() == delivery["sha256"]
    return json.loads(content)


def test_an_hour_becomes_a_payout_a_statement_and_a_delivery(stage: Stage) -> None:
    lab, expert = stage.lab(NORTHWIND), stage.expert(cast.CARDIOLOGIST)
    people.introduce(stage)
    people.prove(stage)
    project, contract = hire(stage, lab)
    name_an_account(expert)
    hiring.next_monday(stage)
    produce(stage, lab, project, contract)
    earned = {name: sum(map(amount, sums)) for name, sums in expert.get("/earnings")["buckets"].items()}
    assert earned.pop("in_progress") > 0
    assert set(earned.values()) == {0}
    entry = approve(stage, lab)
    seconds = stage.books.stretches[entry["id"]].seconds
    assert 3600 <= seconds < 3660  # the minutes on the clock, and the moments the test itself took
    gross = amount(entry["amount"])
    assert gross == oracle.pay(seconds, RATE)
    run = paying.prepare(stage, "USD")
    with pytest.raises((Refused, LookupError)):
        stage.desk(cast.PREPARER).submit(f"{paying.PAY_RUNS}{run}/release/", "digest")
    assert list(expert.pages("/payouts")) == []
    paying.release(stage, run)
    (payout,) = expert.pages("/payouts")
    assert (payout["status"], amount(payout["amount"])) == ("paid", gross)
    (statement,) = expert.pages("/statements")
    assert amount(statement["paid"]) == gross
    assert len(expert.get(f"/statements/{statement['id']}")["lines"]) == 2
    assert delivered(lab, project)["task"]["external_id"] == ASSIGNMENT.name
    out = StringIO()
    call_command("ledger_verify", stdout=out)
    assert "The ledger holds." in out.getvalue()
