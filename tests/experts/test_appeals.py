"""Decisions with a reason, one door to contest them, and a clock that works for the expert."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from core import clock, outbox
from core.problems import InvalidInput, InvalidTransition
from core.public import Event, Tenant, User
from experts.errors import OwnWork, ReasonMissing
from experts.jobs import resolve_appeals
from experts.models import Appeal, Decision, Notice, Restriction
from experts.operations import appeals, restrictions
from experts.operations.appeals import SameDecider
from experts.ports import Contestable, appeal_subjects
from experts.public import is_blocked, record_decision
from tests.experts.people import Api, upload

NOW = dt.datetime(2026, 11, 16, 9, tzinfo=dt.UTC)
SUBJECT = "sub_01k9w3v6z8f2qr5t4h7xnm0ceg"


def decide_against(api: Api, by: User, **fields: Any) -> Decision:
    values = {
        "act": "reject_submission",
        "subject": SUBJECT,
        "reason_code": "factual_error",
        "explanation": "The dose is wrong.",
        "evidence": {"line": 4},
        "decided_by": by,
        "now": NOW,
    }
    return record_decision(expert=api.expert, **{**values, **fields})


def contest(api: Api, subject: str = SUBJECT, **fields: Any) -> Any:
    with clock.frozen(NOW + dt.timedelta(hours=1)):
        return api.post("/appeals", {"subject": subject, "reason": "It is in the guideline.", **fields})


def test_a_decision_tells_the_expert_everything_and_how_to_contest(ada: Api, eve: Api, verifier: User) -> None:
    lab = Tenant.objects.create(name="Lab")
    decision = decide_against(ada, verifier, tenant_id=lab.pk)
    shown = ada.get(f"/decisions/{decision.public_id}").json()
    assert shown["explanation"] == "The dose is wrong."
    assert shown["evidence"] == {"line": 4}
    assert shown["decided_by"] == "Vera Fides"
    assert shown["answer_until"] == "2026-11-30T09:00:00Z"
    assert SUBJECT in Notice.objects.get(kind="decision.made").body
    assert Event.objects.get(name="decision.made").tenant == lab
    assert eve.get(f"/decisions/{decision.public_id}").status_code == 404
    assert eve.get("/decisions").json()["results"] == []
    assert [row["id"] for row in ada.get("/decisions", subject=SUBJECT).json()["results"]] == [decision.public_id]


def test_decisions_need_words_and_another_person(ada: Api, verifier: User) -> None:
    with pytest.raises(ReasonMissing):
        decide_against(ada, verifier, explanation=" ")
    with pytest.raises(OwnWork):
        decide_against(ada, ada.expert.user)
    assert not Decision.objects.exists()


def test_an_appeal_names_a_decision_or_its_subject_and_starts_the_clock(ada: Api, verifier: User) -> None:
    decision = decide_against(ada, verifier)
    file = ada.form("/documents", file=upload()).json()["id"]
    filed = contest(ada, files=[file])
    assert filed.status_code == 201, filed.json()
    appeal = filed.json()
    assert (appeal["status"], appeal["decision"], appeal["files"]) == ("open", decision.public_id, [file])
    assert appeal["due_at"] == "2026-11-23T10:00:00Z"
    again = contest(ada, decision.public_id)
    assert (again.status_code, again.json()["code"]) == (409, "appeal_already_open")
    withdrawn = ada.post(f"/appeals/{appeal['id']}/withdraw")
    assert withdrawn.json()["status"] == "withdrawn"
    assert ada.post(f"/appeals/{appeal['id']}/withdraw").json()["allowed_transitions"] == []
    assert contest(ada, decision.public_id).status_code == 201


def test_only_ones_own_things_are_contested(ada: Api, eve: Api, verifier: User) -> None:
    decision = decide_against(ada, verifier)
    foreign = eve.form("/documents", file=upload()).json()["id"]
    for subject in (SUBJECT, decision.public_id, "xyz_01k9w3v6z8f2qr5t4h7xnm0ceg", "nonsense"):
        answer = contest(eve, subject)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["pointer"] == "/subject"
    stolen = contest(ada, files=[foreign])
    assert (stolen.status_code, stolen.json()["errors"][0]["pointer"]) == (400, "/files/0")
    assert not Appeal.objects.exists()


def test_what_was_contested_and_decided_is_not_contested_again(ada: Api, verifier: User, second: User) -> None:
    decision = decide_against(ada, verifier)
    assert contest(ada).status_code == 201
    appeal = Appeal.objects.get()
    appeals.decide(appeal=appeal, outcome="upheld", note="The line stands.", by=second, now=NOW)
    for subject in (SUBJECT, decision.public_id):
        again = contest(ada, subject)
        assert (again.status_code, again.json()["code"]) == (409, "appeal_decided")
        assert again.json()["appeal"] == appeal.public_id
    assert Appeal.objects.count() == 1
    decide_against(ada, verifier, explanation="And the unit is wrong as well.")
    assert contest(ada).status_code == 201


def test_the_window_ends(ada: Api, verifier: User) -> None:
    decide_against(ada, verifier)
    with clock.frozen(NOW + dt.timedelta(days=14, seconds=1)):
        late = ada.post("/appeals", {"subject": SUBJECT, "reason": "Late."})
    assert (late.status_code, late.json()["code"]) == (409, "appeal_window_over")
    until = f"{NOW + dt.timedelta(days=14):%Y-%m-%d %H:%M} UTC"
    assert late.json()["detail"] == f"It could be contested until {until}."


def test_floors_above_answer_for_their_own_subjects(ada: Api, verifier: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(*, subject: str, expert_id: int) -> Contestable | None:
        return Contestable(tenant_id=None, decided_by_id=verifier.pk) if expert_id == ada.expert.pk else None

    monkeypatch.setattr(appeal_subjects, "_finders", {"zzz": find})
    assert contest(ada, "zzz_1").status_code == 201
    assert Appeal.objects.get().first_decider == verifier


def test_another_person_decides(ada: Api, verifier: User, second: User) -> None:
    decide_against(ada, verifier)
    contest(ada)
    appeal = Appeal.objects.get()
    with pytest.raises(SameDecider):
        appeals.decide(appeal=appeal, outcome="upheld", note="I stay with it.", by=verifier, now=NOW)
    with pytest.raises(OwnWork):
        appeals.decide(appeal=appeal, outcome="overturned", note="I am right.", by=ada.expert.user, now=NOW)
    with pytest.raises(ReasonMissing):
        appeals.decide(appeal=appeal, outcome="overturned", note="", by=second, now=NOW)
    with pytest.raises(InvalidInput):
        appeals.decide(appeal=appeal, outcome="resolved_by_timeout", note="x", by=second, now=NOW)
    with pytest.raises(IntegrityError, match="experts_appeal_other_decider"), transaction.atomic():
        Appeal.objects.update(decided_by=verifier)
    assert Appeal.objects.get().status == "open"

    appeals.answer(appeal=appeal, text="See the guideline, page 3.", by=verifier, now=NOW)
    appeals.decide(appeal=appeal, outcome="overturned", note="Page 3 says the opposite.", by=second, now=NOW)
    shown = ada.get(f"/appeals/{appeal.public_id}").json()
    assert (shown["status"], shown["outcome_note"]) == ("overturned", "Page 3 says the opposite.")
    assert shown["answer"] == "See the guideline, page 3."
    event = Event.objects.get(name="appeal.decided")
    assert event.payload == {
        "appeal": appeal.public_id,
        "decision": appeal.decision.public_id if appeal.decision else None,
        "subject": SUBJECT,
        "outcome": "overturned",
        "by_clock": False,
    }


def test_silence_is_resolved_for_the_expert(ada: Api, verifier: User) -> None:
    decide_against(ada, verifier)
    contest(ada)
    with clock.frozen(NOW + appeals.DECIDE_WITHIN):
        resolve_appeals()
    assert Appeal.objects.get().status == "open"
    with clock.frozen(NOW + appeals.DECIDE_WITHIN + dt.timedelta(hours=1)):
        resolve_appeals()
        resolve_appeals()
    appeal = Appeal.objects.get()
    assert (appeal.status, appeal.decided_by) == ("resolved_by_timeout", None)
    event = Event.objects.get(name="appeal.decided")
    assert (event.payload["outcome"], event.payload["by_clock"]) == ("overturned", True)
    assert Notice.objects.filter(kind="appeal.decided").count() == 1


ARROWS = {(a, b) for a, following in Appeal.TRANSITIONS.items() for b in following}


@pytest.mark.parametrize("to", [s for s in Appeal.Status.values if s != "open"])
@pytest.mark.parametrize("status", Appeal.Status.values)
def test_every_arrow_both_ways(ada: Api, verifier: User, second: User, status: str, to: str) -> None:
    by = second if status in {"upheld", "partly_upheld", "overturned"} else None
    appeal = Appeal.objects.create(
        expert=ada.expert, subject=SUBJECT, reason="x", due_at=NOW, status=status, decided_by=by, decided_at=NOW,
        outcome_note="before",
    )  # fmt: skip

    def act() -> None:
        if to == "answered":
            appeals.answer(appeal=appeal, text="now", by=verifier, now=NOW)
        elif to == "withdrawn":
            appeals.withdraw(appeal=appeal, now=NOW)
        elif to == "resolved_by_timeout":
            if not appeals.resolve_overdue(now=NOW):
                raise InvalidTransition
        else:
            appeals.decide(appeal=appeal, outcome=to, note="now", by=verifier, now=NOW)

    if (status, to) in ARROWS:
        act()
        assert Appeal.objects.get().status == to
    else:
        with pytest.raises(InvalidTransition):
            act()
        assert Appeal.objects.get().status == status
        assert not Event.objects.filter(name__startswith="appeal.").exists()


@pytest.mark.parametrize("role", ["cadre_app", "cadre_admin"])
def test_nobody_changes_a_decision(ada: Api, verifier: User, role: str) -> None:
    decide_against(ada, verifier)
    for statement in ("UPDATE experts_decision SET explanation = 'x'", "DELETE FROM experts_decision"):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('role', %s, true)", [role])
            cursor.execute(statement)
    assert Decision.objects.get().explanation == "The dose is wrong."


def test_a_restriction_is_a_decision_and_a_won_appeal_lifts_it(ada: Api, verifier: User, second: User) -> None:
    lab, rival = Tenant.objects.create(name="Lab"), Tenant.objects.create(name="Rival")
    restriction = restrictions.impose(
        expert=ada.expert, kind="no_new_offers", reason="Shared a task.", by=verifier, tenant_id=lab.pk, now=NOW
    )
    with clock.frozen(NOW):
        shown = ada.get("/").json()["restrictions"]
    assert [(row["kind"], row["reason"]) for row in shown] == [("no_new_offers", "Shared a task.")]
    assert is_blocked(expert_id=ada.expert.pk, now=NOW, tenant_id=lab.pk)
    assert not is_blocked(expert_id=ada.expert.pk, now=NOW, tenant_id=rival.pk)
    assert not is_blocked(expert_id=ada.expert.pk, now=NOW, tenant_id=lab.pk, from_claims=True)

    assert contest(ada, restriction.public_id).status_code == 201
    appeals.decide(appeal=Appeal.objects.get(), outcome="overturned", note="It was public.", by=second, now=NOW)
    outbox.drain(now=NOW + dt.timedelta(days=1))
    restriction.refresh_from_db()
    assert restriction.ends_at == NOW + dt.timedelta(days=1)
    assert not is_blocked(expert_id=ada.expert.pk, now=NOW + dt.timedelta(days=1), tenant_id=lab.pk)
    assert Restriction.objects.count() == 1


def test_an_upheld_decision_changes_nothing(ada: Api, verifier: User, second: User) -> None:
    restriction = restrictions.impose(expert=ada.expert, kind="suspended", reason="x", by=verifier, now=NOW)
    contest(ada, restriction.decision.public_id)
    appeals.decide(appeal=Appeal.objects.get(), outcome="upheld", note="It stands.", by=second, now=NOW)
    outbox.drain(now=NOW + dt.timedelta(days=1))
    restriction.refresh_from_db()
    assert restriction.ends_at is None


def test_notices_are_read_once(ada: Api, eve: Api, verifier: User) -> None:
    decide_against(ada, verifier)
    notice = ada.get("/notices", unread="true").json()["results"][0]
    assert eve.post(f"/notices/{notice['id']}/read").status_code == 404
    first = ada.post(f"/notices/{notice['id']}/read").json()["read_at"]
    assert ada.post(f"/notices/{notice['id']}/read").json()["read_at"] == first
    assert ada.get("/notices", unread="true").json()["results"] == []
