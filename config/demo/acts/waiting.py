"""Last act: leave one thing for everybody to do."""

from __future__ import annotations

from config.demo import cast
from config.demo.acts import hiring, paying, people, reviews, work
from config.demo.cast import NORTHWIND
from config.demo.stage import Stage


def another_week(stage: Stage) -> None:
    """A little more work, handed in for the lab to approve; the next run waits to be released."""
    work.post_second_round(stage)
    work.one_round(stage, [cast.CARDIOLOGIST])
    hiring.next_monday(stage)
    role = cast.CARDIOLOGIST
    sheet = next(iter(stage.expert(role).pages("/timesheets", status="open")))
    stage.expert(role).post(f"/timesheets/{sheet['id']}/submit")
    stage.step(f"{role.name} handed in another week: it waits for {NORTHWIND.name}")


def leave_something(stage: Stage) -> None:
    """A credential to verify, an offer and later terms to answer, a submission to review, a run to release."""
    work.one_round(stage, [cast.CARDIOLOGIST])
    people.upload_one_more(stage)
    hiring.one_more_offer(stage)
    hiring.propose_a_raise(stage)
    paying.prepare(stage, "USD")
    _look_around(stage)
    stage.step("Everybody has something to do: see the start page")


def _look_around(stage: Stage) -> None:
    """Whoever logs in now finds something."""
    waiting = {
        "the verifier": stage.desk(cast.VERIFIER).open(f"{people.CREDENTIALS}?status__exact=pending").rows,
        "the reviewer": stage.desk(cast.REVIEWER).open(f"{reviews.SUBMISSIONS}?status__exact=submitted").rows,
        "finance": stage.desk(cast.RELEASER).open(f"{paying.PAY_RUNS}?status__exact=review").rows,
        "an expert": list(stage.expert(cast.ENGINEER).pages("/invitations")),
        "the lab": list(stage.lab(NORTHWIND).pages("/timesheets", status="submitted")),
    }
    for who, found in waiting.items():
        stage.check(f"something waits for {who}", True, bool(found))
