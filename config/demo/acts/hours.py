"""Act 5: what no timer saw, the week handed in, approved by the lab or by its silence, one entry contested; a bonus."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from config.demo import cast
from config.demo.acts import hiring, work
from config.demo.cast import HELIOS, NORTHWIND, ExpertRole, LabRole
from config.demo.shift import note_hours
from config.demo.stage import Stage, duration

DISPUTES = "/admin/payments/dispute/"
BONUS = "75.00"
LARGE_BONUS = "1250.00"  # above what one member of a lab may pay alone
PROPOSED_SECONDS = 600
PROPOSED_LATE_SECONDS = 1200
PAYDAY_HOUR = 8  # UTC: after the cutoff at midnight, before the clock would decide the dispute by itself


def enter_by_hand(stage: Stage) -> None:
    """A call with the lab that no timer saw: the expert enters it with a reason. Overlaps are refused."""
    role = cast.BANKER
    api, contract = stage.expert(role), stage.ids[f"contract {role.email}"]
    now = stage.advance("PT45M").replace(microsecond=0)
    body = {
        "contract": contract,
        "activity": "meeting",
        "started_at": stamp(now - dt.timedelta(minutes=40)),
        "ended_at": stamp(now - dt.timedelta(minutes=10)),
        "reason": "Call with the lab about the covenant tasks; the timer was not at hand.",
    }
    api.post("/time-entries", body)
    overlapping = {**body, "started_at": stamp(now - dt.timedelta(minutes=20)), "ended_at": stamp(now)}
    problem = api.refused(409, "POST", "/time-entries", overlapping)
    stage.check("overlapping hours are refused", "overlap", problem["code"])
    note_hours(stage, role)
    stage.step(f"{role.name} entered half an hour by hand, with a reason; an overlapping one was refused")


def hand_in(stage: Stage) -> None:
    """On Monday everybody hands in the week, except one who forgets."""
    hiring.next_monday(stage)
    for role in work.EVERYBODY:
        if role is not cast.BANKER:
            sheet = _open_sheet(stage, role)
            stage.expert(role).post(f"/timesheets/{sheet['id']}/submit")
            stage.ids[f"timesheet {role.email}"] = sheet["id"]
    stage.ids[f"timesheet {cast.BANKER.email}"] = _open_sheet(stage, cast.BANKER)["id"]
    stage.step(f"Four experts handed in their week; {cast.BANKER.name} forgot")


def lab_decides(stage: Stage) -> None:
    """The lab contests one entry of one week and approves the rest of it, and two more weeks."""
    api = stage.lab(NORTHWIND)
    sheet = stage.ids[f"timesheet {cast.PHARMACIST.email}"]
    entries = [row for row in note_hours(stage, cast.PHARMACIST) if row["timesheet"] == sheet]
    contested = max(
        (row for row in entries if row["activity"] == "task"),
        key=lambda row: (duration(row["time"]["billable"]), row["id"]),
    )
    dispute = api.post(
        f"/time-entries/{contested['id']}/dispute",
        {
            "decided_by": stage.decider(NORTHWIND),
            "reason": "Two criteria on a short answer do not take that long.",
            "proposed": "PT10M",
        },
    )
    stage.ids["entry contested"], stage.ids["dispute"] = contested["id"], dispute["id"]
    stage.books.disputed(contested["id"])
    for role in work.CREWS[NORTHWIND.name]:
        _approve(stage, NORTHWIND, role)
    stage.step(f"{NORTHWIND.name} approved three weeks and contested one entry of {cast.PHARMACIST.name}")


def silence_approves(stage: Stage) -> None:
    """The other lab says nothing; the clock hands in the forgotten week, and approves both, before the next cutoff."""
    stage.advance("P3DT1H")
    _await_sheet(stage, cast.BANKER, "submitted")
    _await_sheet(stage, cast.LAWYER, "auto_approved")
    stage.advance("P3DT1H")
    _await_sheet(stage, cast.BANKER, "auto_approved")
    for role in work.CREWS[HELIOS.name]:
        _note_approval(stage, role)
    hiring.next_monday(stage, hour=PAYDAY_HOUR)
    stage.step(f"{HELIOS.name} stayed silent for 72 hours: two weeks approved themselves, the forgotten one too")


def grant_bonus(stage: Stage) -> None:
    """The lab pays a bonus beside the hours, with a reason and a name."""
    contract = stage.ids[f"contract {cast.CARDIOLOGIST.email}"]
    body = {
        "contract": contract,
        "amount": {"amount": BONUS, "currency": NORTHWIND.currency},
        "reason": "The rubric on chest pain became the model for the others.",
        "decided_by": stage.decider(NORTHWIND),
    }
    stage.lab(NORTHWIND).post("/bonuses", body)
    stage.books.bonus(contract, Decimal(BONUS))
    stage.step(f"{NORTHWIND.name} granted {cast.CARDIOLOGIST.name} a bonus of {BONUS} {NORTHWIND.currency}")


def grant_large_bonus(stage: Stage) -> None:
    """Above a threshold the bonus is a proposal that moves nothing until a second manager approves it."""
    contract, api = stage.ids[f"contract {cast.PHARMACIST.email}"], stage.lab(NORTHWIND)
    body = {
        "contract": contract,
        "amount": {"amount": LARGE_BONUS, "currency": NORTHWIND.currency},
        "reason": "Her grading found the error in our reference answers.",
        "decided_by": stage.decider(NORTHWIND),
    }
    stage.check("a large bonus", "proposed", api.post("/bonuses", body)["status"])
    proposal = next(iter(api.pages("/bonuses/proposals", status="proposed")))["id"]
    own = {"decided_by": stage.decider(NORTHWIND)}
    problem = api.refused(403, "POST", f"/bonuses/{proposal}/approve", own)
    stage.check("nobody approves what he proposed", "own_proposal", problem["code"])
    other = {"decided_by": stage.decider(NORTHWIND, "director")}
    problem = api.refused(409, "POST", f"/bonuses/{proposal}/approve", other)
    stage.check("one key is not two people", "own_key_needed", problem["code"])
    approved = stage.member(NORTHWIND, "director").post(f"/bonuses/{proposal}/approve", other)
    stage.check("the second manager", "approved", approved["status"])
    stage.books.bonus(contract, Decimal(LARGE_BONUS))
    stage.step(f"Two managers of {NORTHWIND.name} granted {cast.PHARMACIST.name} {LARGE_BONUS} {NORTHWIND.currency}")


def contest_after_silence(stage: Stage) -> None:
    """The lab wakes up after its silence approved a week: what it contests is set aside, the rest is paid on time."""
    role = cast.BANKER
    entry = next(row["id"] for row in note_hours(stage, role) if row["activity"] == "meeting")
    dispute = stage.lab(HELIOS).post(
        f"/time-entries/{entry}/dispute",
        {
            "decided_by": stage.decider(HELIOS),
            "reason": "Our calendar shows a call of twenty minutes.",
            "proposed": f"PT{PROPOSED_LATE_SECONDS // 60}M",
        },
    )
    stage.ids["entry contested late"], stage.ids["late dispute"] = entry, dispute["id"]
    stage.books.disputed_late(entry, proposed=PROPOSED_LATE_SECONDS)
    stage.step(
        f"{HELIOS.name} contested a call of {role.name} that its silence had approved: ten minutes are set aside"
    )


def decide_late_dispute(stage: Stage) -> None:
    """What was set aside comes back, and the hours are corrected to what was decided."""
    entry, dispute = stage.ids["entry contested late"], stage.ids["late dispute"]
    answer = "My calendar shows twenty as well; the rest was looking for the contract."
    stage.expert(cast.BANKER).post(f"/disputes/{dispute}/answer", {"answer": answer})
    reason = "Both calendars show twenty minutes."
    stage.desk(cast.SUPPORT).on(DISPUTES, "uphold", dispute, reason=reason)
    stage.books.dispute_decided(entry, PROPOSED_LATE_SECONDS)
    stage.step(f"{cast.SUPPORT.name} decided the late dispute: {PROPOSED_LATE_SECONDS // 60} minutes count")


def decide_dispute(stage: Stage) -> None:
    """Support hears the expert and decides: part of the contested time counts."""
    entry, dispute = stage.ids["entry contested"], stage.ids["dispute"]
    answer = "I checked the guideline before I graded; that is the pause the timer shows."
    stage.expert(cast.PHARMACIST).post(f"/disputes/{dispute}/answer", {"answer": answer})
    stage.desk(cast.SUPPORT).on(
        DISPUTES,
        "uphold",
        dispute,
        reason="The timer shows a pause in the middle; what the lab proposes is what was worked.",
    )
    stage.books.dispute_decided(entry, PROPOSED_SECONDS)
    stage.step(f"{cast.SUPPORT.name} decided the dispute: {PROPOSED_SECONDS // 60} minutes count")


def stamp(at: dt.datetime) -> str:
    """An instant as the API takes it."""
    return at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _open_sheet(stage: Stage, role: ExpertRole) -> Any:
    return next(iter(stage.expert(role).pages("/timesheets", status="open")))


def _approve(stage: Stage, lab: LabRole, role: ExpertRole) -> None:
    sheet = stage.ids[f"timesheet {role.email}"]
    answer = stage.lab(lab).post(f"/timesheets/{sheet}/approve", {"decided_by": stage.decider(lab)})
    stage.check(f"week of {role.name}", "approved", answer["status"])
    _note_approval(stage, role)


def _await_sheet(stage: Stage, role: ExpertRole, status: str) -> None:
    """Wait until the clock has done its part for an expert's week."""
    path = f"/timesheets/{stage.ids[f'timesheet {role.email}']}"
    stage.wait(f"the week of {role.name}", lambda: stage.expert(role).get(path)["status"] == status)


def _note_approval(stage: Stage, role: ExpertRole) -> None:
    sheet = stage.ids[f"timesheet {role.email}"]
    row = stage.expert(role).get(f"/timesheets/{sheet}")
    stage.books.week_approved(row["contract"], row["week"])
