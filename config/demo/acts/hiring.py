"""Act 2: the labs pay in and post projects; experts apply; matching proposes; offers are read, signed, accepted."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from config.demo import cast, material
from config.demo.cast import HELIOS, NORTHWIND, ExpertRole, LabRole
from config.demo.oracle import Terms
from config.demo.shift import Sitting, work
from config.demo.stage import Stage, amount, duration

RAISED = "141.00"
RAISE_AFTER = dt.timedelta(minutes=10)
RAISE_SITTING = 18  # minutes; the change comes in between
MONDAY_HOUR = 13  # UTC: the same local day for everybody in the cast who works


@dataclass(frozen=True)
class Seat:
    """An opening and who gets it."""

    role: ExpertRole
    lab: LabRole
    title: str
    tier: str
    domain: str
    min_level: int
    weekly_cap: str
    ceiling: str


@dataclass(frozen=True)
class Plan:
    """A lab's project."""

    lab: LabRole
    funding: str
    name: str
    review_policy: str
    ai_assistance: str
    instructions: str


PLANS = (
    Plan(NORTHWIND, "30000.00", "Cardiology rubrics", "platform", "forbidden", material.CARDIOLOGY_INSTRUCTIONS),
    Plan(HELIOS, "15000.00", "Contract law rubrics", "lab", "disclosed", material.CONTRACT_INSTRUCTIONS),
)
SEATS = (
    Seat(cast.CARDIOLOGIST, NORTHWIND, "Cardiologist", "senior_expert", "medicine.cardiology", 4, "PT10H", "300.00"),
    Seat(cast.PHARMACIST, NORTHWIND, "Clinical grader", "specialist", "medicine.pharmacy", 3, "PT10H", "90.00"),
    Seat(cast.NURSE, NORTHWIND, "Second grader", "skilled", "medicine.nursing", 2, "PT8H", "40.00"),
    Seat(cast.LAWYER, HELIOS, "Contract lawyer", "expert", "law.contract", 3, "PT10H", "150.00"),
    Seat(cast.BANKER, HELIOS, "Banker for covenants", "specialist", "finance.banking", 3, "PT8H", "80.00"),
)


def external_id(lab: LabRole) -> str:
    """How a lab's project is called in its own books."""
    return f"demo-{lab.slug}"


def fund(stage: Stage) -> None:
    """Each lab pays in its own currency; the sandbox settles at once."""
    for plan in PLANS:
        money = {"amount": plan.funding, "currency": plan.lab.currency}
        answer = stage.lab(plan.lab).post("/funding", {"amount": money})
        stage.check(f"funding of {plan.lab.name}", "settled", answer["status"])
        stage.books.funded_by(plan.lab.name, Decimal(plan.funding), plan.lab.currency)
        stage.step(f"{plan.lab.name} paid in {plan.funding} {plan.lab.currency}")


def post_projects(stage: Stage) -> None:
    """Projects with instructions, openings on the board."""
    for plan in PLANS:
        api = stage.lab(plan.lab)
        project = api.post("/projects", _project(plan))["id"]
        stage.ids[f"project {plan.lab.name}"] = project
        api.post(f"/projects/{project}/instructions", {"body": plan.instructions})
        api.post(f"/projects/{project}/launch")
        for seat in SEATS:
            if seat.lab is plan.lab:
                opening = api.post(f"/projects/{project}/openings", _opening(seat))["id"]
                api.post(f"/openings/{opening}/open")
                stage.ids[f"opening {seat.role.email}"] = opening
        stage.step(f"{plan.lab.name} posted “{plan.name}” with instructions and openings")


def apply_and_match(stage: Stage) -> None:
    """Experts find the openings on the board and apply; matching ranks the candidates under pseudonyms."""
    for seat in SEATS:
        opening = stage.ids[f"opening {seat.role.email}"]
        answer = stage.expert(seat.role).post("/applications", {"opening": opening, "note": seat.role.headline})
        stage.ids[f"application {seat.role.email}"] = answer["id"]
        api = stage.lab(seat.lab)
        api.operation(api.post(f"/openings/{opening}/match"))
        candidates = list(api.pages(f"/openings/{opening}/candidates"))
        applied = api.get(f"/applications/{answer['id']}")["candidate"]
        stage.check(
            f"{seat.title}: the applicant is a candidate", True, applied in [row["candidate"] for row in candidates]
        )
    stage.step(f"{len(SEATS)} experts applied, and matching proposed them with reasons")


def offer_and_sign(stage: Stage, lab: LabRole) -> None:
    """Offers; every document read in full, signed by name; the rate is locked; instructions acknowledged."""
    for seat in (seat for seat in SEATS if seat.lab is lab):
        api, expert = stage.lab(seat.lab), stage.expert(seat.role)
        opening = stage.ids[f"opening {seat.role.email}"]
        given = api.post(f"/openings/{opening}/offers", {"applications": [stage.ids[f"application {seat.role.email}"]]})
        offer = expert.get(f"/offers/{given['offers'][0]['id']}")
        contract = _sign(stage, seat, offer)
        stage.ids[f"contract {seat.role.email}"] = contract
        stage.books.signed(_terms(seat, contract, offer, api.get(f"/contracts/{contract}")))
        _read_instructions(stage, seat, contract)
        rate = offer["rate"]
        stage.step(
            f"{seat.role.name} signed: {rate['amount']} {rate['currency']} an hour, {seat.weekly_cap[2:]} a week"
        )


def one_more_offer(stage: Stage) -> None:
    """Leave an offer for an expert who has not decided yet."""
    seat = Seat(
        cast.ENGINEER, HELIOS, "Reviewer for data contracts", "specialist", "software.backend", 3, "PT6H", "90.00"
    )
    api, project = stage.lab(HELIOS), stage.ids[f"project {HELIOS.name}"]
    opening = api.post(f"/projects/{project}/openings", _opening(seat))["id"]
    api.post(f"/openings/{opening}/open")
    api.operation(api.post(f"/openings/{opening}/match"))
    candidate = next(iter(api.pages(f"/openings/{opening}/candidates")))
    api.post(f"/openings/{opening}/offers", {"candidates": [candidate["candidate"]]})


def rivals_stay_apart(stage: Stage) -> None:
    """The other lab's ids answer like ids that do not exist; whoever works for one lab gets no offer of its rival."""
    foreign = stage.ids[f"project {NORTHWIND.name}"]
    problem = stage.lab(HELIOS).refused(404, "GET", f"/projects/{foreign}")
    stage.check("a rival's id is not found", "not_found", problem["code"])
    opening = stage.ids[f"opening {cast.LAWYER.email}"]
    problem = stage.expert(cast.CARDIOLOGIST).refused(409, "POST", "/applications", {"opening": opening})
    stage.check("whoever works for one lab cannot apply to its rival", "not_eligible", problem["code"])
    stage.step("The wall between the rivals held")


def raise_rate(stage: Stage) -> None:
    """The lab proposes a higher rate, the expert agrees; a timer that runs over the change is cut there."""
    role, lab = cast.LAWYER, HELIOS
    contract, now = stage.ids[f"contract {role.email}"], stage.advance("PT1M")
    since = (now + RAISE_AFTER).replace(microsecond=0)
    proposed = stage.lab(lab).post(f"/contracts/{contract}/amendments", _raise_of(lab, RAISED, since))
    agreed = stage.expert(role).post(f"/amendments/{proposed['id']}/accept")
    stage.check("the amendment", ("accepted", RAISED), (agreed["status"], agreed["terms"]["rate"]["amount"]))
    stage.books.raised(contract, since=since, rate=Decimal(RAISED))
    work(stage, [Sitting(role=role, contract=contract, minutes=RAISE_SITTING, activity="meeting")])
    cut = [line for line in stage.books.earned() if line.stretch.contract == contract][-2:]
    stage.check("the timer was cut at the change", since, cut[1].stretch.started_at)
    stage.step(f"{lab.name} and {role.name} agreed on {RAISED} {lab.currency}: a call is paid half at each rate")


def propose_a_raise(stage: Stage) -> None:
    """Leave later terms for an expert who has not answered yet."""
    since = stage.advance("PT1S") + dt.timedelta(days=14)
    contract = stage.ids[f"contract {cast.PHARMACIST.email}"]
    stage.lab(NORTHWIND).post(f"/contracts/{contract}/amendments", _raise_of(NORTHWIND, "82.00", since))


def _raise_of(lab: LabRole, rate: str, since: dt.datetime) -> dict[str, Any]:
    return {
        "decided_by": lab.address("manager"),
        "rate": {"amount": rate, "currency": lab.currency, "per": "hour"},
        "effective_at": since.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "reason": "The second half is harder.",
    }


def next_monday(stage: Stage, *, hour: int = MONDAY_HOUR) -> dt.datetime:
    """Move to Monday, so that the story's weeks are whole."""
    now = stage.advance("PT1S")
    monday = (now + dt.timedelta(days=7 - now.weekday())).replace(hour=hour, minute=0, second=0, microsecond=0)
    return stage.advance_to(monday)


def _project(plan: Plan) -> dict[str, Any]:
    return {
        "name": plan.name,
        "task_types": ["rubric_authoring", "rubric_grading"],
        "review_policy": plan.review_policy,
        "currency": plan.lab.currency,
        "ai_assistance": plan.ai_assistance,
        "external_id": external_id(plan.lab),
    }


def _opening(seat: Seat) -> dict[str, Any]:
    return {
        "title": seat.title,
        "seats": 1,
        "requirement": {"domain": seat.domain, "min_level": seat.min_level, "languages": ["en"]},
        "tier": seat.tier,
        "weekly_cap": seat.weekly_cap,
        "daily_cap": "PT6H",
        "rate_ceiling": {"amount": seat.ceiling, "currency": seat.lab.currency, "per": "hour"},
    }


def _sign(stage: Stage, seat: Seat, offer: Any) -> str:
    expert = stage.expert(seat.role)
    signatures = []
    for document in offer["documents"]:
        text = expert.get(f"/agreements/{document['agreement_version']}")
        stage.check(f"{text['title']} can be read in full", True, len(text["body"]) > 200)
        signatures.append({"agreement_version": text["id"], "typed_name": seat.role.name})
    accepted = expert.post(f"/offers/{offer['id']}/accept", {"signatures": signatures})
    return str(accepted["id"])


def _read_instructions(stage: Stage, seat: Seat, contract: str) -> None:
    expert = stage.expert(seat.role)
    version = expert.get(f"/contracts/{contract}/instructions")["instructions"]
    expert.post(f"/contracts/{contract}/instructions/acknowledge", {"version": version["id"]})
    stage.check(f"contract of {seat.role.name}", "active", expert.get(f"/contracts/{contract}")["status"])


def _terms(seat: Seat, contract: str, offer: Any, seen_by_lab: Any) -> Terms:
    """What was promised: the expert's side from the offer he signed, the fee as the lab reads it."""
    return Terms(
        contract=contract,
        expert=seat.role.email,
        lab=seat.lab.name,
        currency=offer["rate"]["currency"],
        rate=amount(offer["rate"]),
        fee_bp=seen_by_lab["fee_bp"],
        holdback_bp=offer["terms"]["holdback"]["share_bp"],
        weekly_cap_seconds=duration(offer["terms"]["weekly_cap"]),
        pay_policy={
            row["activity"]: {"pay": row["pay"], "cap_seconds": duration(row["cap"]) if row["cap"] else None}
            for row in offer["terms"]["paid_activities"]
        },
    )
