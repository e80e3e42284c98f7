"""Work and people in every state that a button of the desk knows, by the product's own doors: for tests of the desk."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.test import Client

from core import clock
from core.public import Tenant, User
from experts.jobs import scan_documents
from experts.models import Appeal, Credential, IdentityVerification
from experts.operations import appeals, restrictions, verifications
from experts.public import record_decision
from tests.experts import people
from tests.experts.people import Api, upload
from tests.marketplace.world import platform
from tests.tasks import world
from tests.tasks.world import EXPERT, LAB, NOW, Desk, Worker, grades, grading, rubric_body

HOUR = dt.timedelta(hours=1)
CLAIMED: dict[str, Any] = {"kind": "degree", "title": "MD", "domain": "medicine", "award": "doctorate"}
PASSPORT: dict[str, Any] = {"kind": "passport", "country": "GB", "legal_name": "Ada Lovelace"}


def live() -> None:
    """Everything once. Files go to ``MEDIA_ROOT``, which is its caller's."""
    with clock.frozen(NOW):
        judge = world.make_staff("judge@example.org")
        work(judge)
        two_who_differ()
        papers(judge)
        contested(judge)


def work(judge: User) -> None:
    """Of one lab: accepted and delivered, sent back, rejected, waiting, held and reported."""
    desk = world.make_desk()
    Client(headers=desk.call.headers).post(f"{LAB}/files", {"file": upload()})
    world.make_batch(desk, [world.authoring()] * 6)
    outcomes = ("accept", "request_rework", "reject", "")
    for n, outcome in enumerate(outcomes):
        made = world.make_worker(desk, f"author{n}@works.example").do(rubric_body())
        if outcome:
            said = {} if outcome == "accept" else {"reason_code": "incomplete", "comment": "More."}
            world.decide(made, outcome, by=judge, **said)
    reporter = world.make_worker(desk, "reporter@works.example")
    body = {"reason": "infeasible_prompt", "comment": "The file is empty."}
    assert reporter.call("POST", f"{EXPERT}/claims/{reporter.claim()['id']}/report", body).status_code == 200
    world.make_worker(desk, "holder@works.example").claim()
    deliver(desk)


def deliver(desk: Desk) -> None:
    """What was accepted leaves."""
    with clock.frozen(NOW + HOUR):
        sent = desk.call("POST", f"{LAB}/projects/{desk.project.public_id}/deliveries", {"format": "native"})
        assert world.finish(desk, sent, now=NOW + HOUR)["state"] == "succeeded"


def two_who_differ() -> None:
    """And a third who decides between them."""
    desk = world.make_desk("Differ")
    world.make_batch(desk, [grading(world.make_rubric(desk))], overlap=2)
    verdicts = ((True, True, True, True), (False, False, False, False))
    for n, given in enumerate(verdicts):
        world.make_worker(desk, f"grader{n}@works.example").do(grades(*given))
    third: Worker = world.make_reviewer(desk, "third@works.example")
    third.do(grades(True, True, False, False))


def papers(judge: User) -> None:
    """Credentials and identities: waiting, verified, rejected and revoked."""
    for n, name in enumerate(("pending", "verified", "rejected", "revoked")):
        api = Api(people.make_expert(f"papers{n}@people.example"))
        assert api.form("/credentials", **CLAIMED, file=upload()).status_code == 201
        assert api.form("/identity", **PASSPORT, file=upload()).status_code == 201
        scan_documents()
        if name != "pending":
            for model in (Credential, IdentityVerification):
                decided(model.objects.get(expert=api.expert), name, judge)


def decided(claim: Any, name: str, judge: User) -> None:
    """A credential or an identity, as its name says."""
    with platform():
        said: dict[str, Any] = {"reason": "Seen.", "by": judge, "now": NOW}
        if name != "rejected":
            verifications.verify(claim=claim, **said)
        if name != "verified":
            verifications.refuse(claim=claim, to=name, reason_code="other", **said)


def contested(judge: User) -> None:
    """Restrictions, in force and lifted; an appeal that waits, and one in every other state."""
    with platform():
        for n in range(2):
            expert = people.make_expert(f"restricted{n}@people.example")
            made = restrictions.impose(expert=expert, kind="suspended", reason="-", by=judge, now=NOW)
            if n:
                restrictions.lift(restriction=made, by=judge, now=NOW)
    second = world.make_staff("second@example.org")
    for n, name in enumerate(("open", "answered", "upheld", "withdrawn")):
        appeal = an_appeal(Api(people.make_expert(f"contests{n}@people.example")), judge)
        with platform():
            if name == "answered":
                appeals.answer(appeal=appeal, text="So it is.", by=judge, now=NOW)
            if name == "upheld":
                appeals.decide(appeal=appeal, outcome="upheld", note="It stands.", by=second, now=NOW)
            if name == "withdrawn":
                appeals.withdraw(appeal=appeal, now=NOW)


def an_appeal(api: Api, judge: User) -> Appeal:
    """Against a decision about somebody."""
    subject = f"sub_{api.expert.public_id.partition('_')[2]}"
    with platform():
        record_decision(
            expert=api.expert,
            act="reject_submission",
            subject=subject,
            reason_code="factual_error",
            explanation="The dose is wrong.",
            evidence={},
            decided_by=judge,
            now=NOW,
            tenant_id=Tenant.objects.latest("pk").pk,
        )
    answer = api.post("/appeals", {"subject": subject, "reason": "It is in the guideline."})
    assert answer.status_code == 201, answer.content
    with platform():
        return Appeal.objects.get(expert=api.expert)
