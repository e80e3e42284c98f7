"""What the signer of a pay run is shown, whatever its size."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection, reset_queries
from django.test.utils import CaptureQueriesContext

from core import clock, outbox, tokens
from core.problems import InvalidTransition
from core.public import unit_of_work
from experts.operations import appeals
from experts.public import Appeal, Decision, Expert, Notice, OwnWork
from payments.models import Payout, PayRun, PayRunLine, TaxProfile
from payments.operations.runs import pay_run_holds, pay_runs
from payments.operations.runs.pay_run_calculation import PayRunChanged
from payments.queries.blockers import blockers
from payments.queries.pay_run_review import review_of
from tests.payments import hours_world
from tests.payments import ledger_story as story
from tests.payments.ledger_story import MONDAY, NOW, SYSTEM
from tests.payments.test_money_desk import PREPARE, RELEASE, Desk

pytestmark = pytest.mark.django_db(transaction=True)

WEEK = dt.timedelta(weeks=1)


def prepare(*, now: dt.datetime = NOW) -> PayRun:
    with unit_of_work(SYSTEM):
        return pay_runs.prepare(currency="USD", by=story.new_user("Prep"), now=now)


def review(run: PayRun, **asked: str) -> dict[str, Any]:
    with unit_of_work(SYSTEM):
        return review_of(run, **asked)


def tiles(run: PayRun) -> dict[str, tuple[int, int]]:
    return {tile.name: (tile.count, tile.total.minor) for tile in review(run)["tiles"] if tile.total is not None}


@pytest.fixture
def people() -> dict[str, Expert]:
    return {name: story.new_expert(name) for name in ("Steady", "Leaves", "Moves", "Jumps", "Owes", "Taxed", "Broke")}


def test_it_says_what_differs_from_the_last_run(people: dict[str, Expert]) -> None:
    lab = story.new_lab(funded=10_000_000)
    for expert in people.values():
        story.earn(expert, 10_000, lab=lab)
    first = story.released_run()
    later = NOW + WEEK
    for name, minor in (("Steady", 9_000), ("Moves", 9_000), ("Jumps", 25_000), ("Owes", 9_000), ("Taxed", 9_000)):
        story.earn(people[name], minor, lab=lab, at=NOW)
    fresh = story.new_expert("Fresh")
    story.earn(fresh, 5_000, lab=lab, at=NOW)
    story.claw_back(people["Owes"], 1_500, lab=lab)
    story.claw_back(people["Broke"], 700, lab=lab)
    story.add_method(people["Moves"], account="acct-elsewhere", now=NOW)
    TaxProfile.objects.filter(expert=people["Taxed"]).update(withholding_bp=1_000)
    run = prepare(now=later)
    assert tiles(run) == {
        "new": (1, 5_000),
        "method": (1, 9_000),
        "amount": (1, 25_000),
        "hours": (0, 0),
        "netted": (1, 1_500),
        "exchanged": (0, 0),
        "withheld": (1, 900),
        "held": (0, 0),
        "dropped": (2, 20_000),
    }
    shown = review(run)
    assert shown["more"].minor == run.total_minor - first.total_minor
    assert {row.line.expert for row in shown["rows"]} == {fresh, people["Moves"], people["Jumps"], people["Owes"]}
    assert [(name, n, net.minor, tax.minor) for name, n, net, tax in shown["providers"]] == [
        ("sandbox", 6, 63_600, 900)
    ]
    assert {row.expert for row, _amount in review(run, show="dropped")["others"]} == {people["Leaves"], people["Broke"]}
    (left_out,) = review(run, show="left_out")["others"]
    assert (left_out[0].expert, left_out[0].reason, left_out[1].minor) == (people["Broke"], "below_zero", -700)
    assert [row.line.expert for row in review(run, show="all", search="stead")["rows"]] == [people["Steady"]]


def log_week(world: hours_world.World, week: dt.datetime, hours: int, *, approved: dt.datetime) -> None:
    """A stretch of settled time of the world's expert, one hour a day of a long week."""
    from payments.models import TimeEntry, Timesheet

    iso = f"{week.isocalendar().year}-W{week.isocalendar().week:02d}"
    sheet = Timesheet.objects.create(
        tenant=world.tenant, contract=world.contract, expert=world.expert, iso_week=iso, zone="UTC",
        ends_at=week + WEEK, submit_by=week + WEEK,
    )  # fmt: skip
    TimeEntry.objects.create(
        tenant=world.tenant, expert=world.expert, contract=world.contract, snapshot=world.snapshot, timesheet=sheet,
        activity="task", period=(week, week + dt.timedelta(hours=hours)), source="manual", status="approved",
        seconds=hours * 3600, zone="UTC", local_day=week.date(), iso_week=iso, rate_minor=100, fee_bp=0,
        currency="USD", gross_minor=hours * 100, fee_minor=0, holdback_minor=0, approved_at=approved,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("weeks", "last", "unusual"),
    [([20, 22, 21], 30, False), ([20, 22, 21], 45, True), ([20], 45, False), ([], 51, True)],
)
def test_hours_are_held_against_his_own_weeks_and_a_limit(weeks: list[int], last: int, unusual: bool) -> None:
    ada = story.new_expert()
    with unit_of_work(SYSTEM):
        world = hours_world.build(expert=ada, funded_minor=0)
        story.earn(ada, 500, lab=world.tenant, at=MONDAY - 2 * WEEK)
        for n, hours in enumerate(weeks):
            week = MONDAY - (n + 3) * WEEK
            log_week(world, week, hours, approved=MONDAY - dt.timedelta(days=10))
    story.released_run(now=NOW - WEEK)
    with unit_of_work(SYSTEM):
        log_week(world, MONDAY - WEEK, last, approved=MONDAY - dt.timedelta(days=1))
        story.earn(ada, 10_000, lab=world.tenant)
    line = prepare().lines.get()
    assert (line.seconds, line.unusual_hours) == (last * 3600, unusual)


def test_holding_a_line_is_a_decision_he_can_contest_and_it_survives_recalculation() -> None:
    ada, bob = story.new_expert("Ada"), story.new_expert("Bob")
    lab = story.new_lab(funded=1_000_000)
    for expert in (ada, bob):
        story.earn(expert, 10_000, lab=lab)
    run, finance = prepare(), story.new_user("Fin")
    with unit_of_work(SYSTEM):
        pay_run_holds.hold(line=run.lines.get(expert=ada), reason="Two people share one account.", by=finance, now=NOW)
    decision = Decision.objects.get(expert=ada, act="pay_held")
    assert (decision.decided_by, decision.explanation) == (finance, "Two people share one account.")
    assert decision.subject in Notice.objects.get(expert=ada, kind="decision.made").body
    with unit_of_work(SYSTEM):
        assert pay_run_holds.find(subject=decision.subject, expert_id=bob.pk) is None
        found = pay_run_holds.find(subject=decision.subject, expert_id=ada.pk)
    assert (found and found.decided_by_id) == finance.pk
    with unit_of_work(SYSTEM):
        pay_runs.send_back(run=run, reason="again", by=finance)
        run = pay_runs.recalculate(run=PayRun.objects.get(), by=story.new_user("Prep"), now=NOW)
    assert (run.lines.get(expert=ada).held_reason, run.line_count) == ("Two people share one account.", 1)
    with unit_of_work(SYSTEM):
        pay_run_holds.apply_outcome(subject=decision.subject, outcome="overturned", decided_by=None, now=NOW)
        pay_run_holds.apply_outcome(subject=decision.subject, outcome="overturned", decided_by=None, now=NOW)
    run.refresh_from_db()
    assert (run.lines.get(expert=ada).held_reason, run.line_count) == ("", 2)
    assert Notice.objects.filter(expert=ada, kind="pay_run.line_released").count() == 1


def test_an_appeal_won_while_the_run_is_sent_back_frees_the_line_in_this_run() -> None:
    ada, bob = story.new_expert("Ada"), story.new_expert("Bob")
    for expert in (ada, bob):
        story.earn(expert, 10_000, lab=story.new_lab(funded=100_000))
    run, by = prepare(), story.new_user("Prep")
    with unit_of_work(SYSTEM):
        pay_run_holds.hold(line=run.lines.get(expert=ada), reason="One account.", by=story.new_user("Fin"), now=NOW)
        pay_runs.send_back(run=run, reason="Look again.", by=by)
    filed = hours_world.Caller(tokens.mint_expert_token(user=ada.user, name="tests").secret)(
        "POST",
        "/expert/appeals",
        {"subject": Decision.objects.get(act="pay_held").subject, "reason": "My brother and I."},
        at=NOW,
    )
    assert filed.status_code == 201, filed.content
    with unit_of_work(SYSTEM):
        appeals.decide(
            appeal=Appeal.objects.get(), outcome="overturned", note="Two brothers.", by=story.new_user("Judge"), now=NOW
        )
    for _again in range(2):
        outbox.drain(now=NOW)
    assert Notice.objects.filter(expert=ada, kind="pay_run.line_released").count() == 1
    with unit_of_work(SYSTEM):
        run = pay_runs.recalculate(run=PayRun.objects.get(), by=by, now=NOW)
    assert (run.lines.get(expert=ada).held_reason, run.line_count) == ("", 2)
    with unit_of_work(SYSTEM):
        pay_runs.release(run=run, digest=run.lines_digest, recently_authenticated=True, by=story.new_user(), now=NOW)
    assert Payout.objects.filter(expert=ada).count() == 1


def test_nobody_frees_his_own_line_and_a_released_run_holds_nothing() -> None:
    ada = story.new_expert("Ada")
    bob = story.new_expert("Bob")
    for expert in (ada, bob):
        story.earn(expert, 10_000, lab=story.new_lab(funded=100_000))
    run = prepare()
    with unit_of_work(SYSTEM):
        line = pay_run_holds.hold(line=run.lines.get(expert=ada), reason="x", by=story.new_user(), now=NOW)
    with pytest.raises(OwnWork), unit_of_work(SYSTEM):
        pay_run_holds.release(line=line, by=ada.user, now=NOW)
    with unit_of_work(SYSTEM):
        run.refresh_from_db()
        pay_runs.release(run=run, digest=run.lines_digest, recently_authenticated=True, by=story.new_user(), now=NOW)
    with pytest.raises(InvalidTransition), unit_of_work(SYSTEM):
        pay_run_holds.hold(line=PayRunLine.objects.get(expert=bob), reason="late", by=story.new_user(), now=NOW)


def test_a_death_inside_the_calculation_leaves_nothing_and_a_stuck_run_is_begun_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from payments.operations.runs import pay_run_calculation

    ada = story.new_expert()
    story.earn(ada, 10_000, lab=story.new_lab(funded=100_000))

    def die(*_args: object, **_kwargs: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pay_run_calculation, "totals", die)
        with pytest.raises(KeyboardInterrupt):
            prepare()
    assert PayRun.objects.count() == 0
    run = prepare()
    PayRun.objects.update(status="calculating")  # as a fault outside of us would leave it
    with unit_of_work(SYSTEM):
        run = pay_runs.recalculate(run=run, by=story.new_user("Other"), now=NOW)
    assert (run.status, run.line_count) == ("review", 1)


def _queries(desk: Desk, path: str) -> int:
    reset_queries()
    with CaptureQueriesContext(connection) as seen:
        assert desk.get(path).status_code == 200
    return len(seen)


def test_no_page_asks_more_for_a_hundred_lines_than_for_ten() -> None:
    lab = story.new_lab(funded=100_000_000)
    desk = Desk(*PREPARE, *RELEASE)

    def grown(n: int, now: dt.datetime) -> dict[str, int]:
        for k in range(n):
            story.earn(story.new_expert(f"P{n}-{k}"), 10_000 + k, lab=lab, at=now - dt.timedelta(days=3))
            bare = story.new_expert(f"B{n}-{k}", ready=False) if k % 2 else None
            if bare:
                story.earn(bare, 500, lab=lab, at=now - dt.timedelta(days=3))
        run = prepare(now=now)
        review_path = f"payrun/{run.pk}/change/"
        paths = [review_path, f"{review_path}?show=all", f"{review_path}?show=left_out", f"{review_path}?show=dropped"]
        paths += [f"payrun/{run.pk}/release/", "payrun/", "payrunline/", "payrunexclusion/"]
        with clock.frozen(now):
            counts = {path.replace(str(run.pk), "N"): _queries(desk, path) for path in paths}
        with unit_of_work(SYSTEM):
            pay_runs.release(
                run=run, digest=run.lines_digest, recently_authenticated=True, by=story.new_user("Rel"), now=now
            )
        counts |= {path: _queries(desk, path) for path in ("payout/", "payoutdecision/", "statement/")}
        return counts

    grown(1, NOW - WEEK)  # so that both have a run before them
    few, many = grown(4, NOW), grown(24, NOW + WEEK)
    grew = {path: (few[path], many[path]) for path in few if many[path] > few[path] + 2}
    assert grew == {}


def test_a_line_is_held_once_and_put_back_once_and_never_after_a_recalculation() -> None:
    ada = story.new_expert("Ada")
    story.earn(ada, 10_000, lab=story.new_lab(funded=100_000))
    run, finance = prepare(), story.new_user("Fin")
    seen = run.lines.get()
    with pytest.raises(InvalidTransition), unit_of_work(SYSTEM):
        pay_run_holds.release(line=seen, by=finance, now=NOW)
    with unit_of_work(SYSTEM):
        pay_run_holds.hold(line=seen, reason="First.", by=finance, now=NOW)
    with pytest.raises(InvalidTransition, match="held already"), unit_of_work(SYSTEM):
        pay_run_holds.hold(line=run.lines.get(), reason="Second.", by=finance, now=NOW)
    assert run.lines.get().held_reason == "First."
    assert Notice.objects.filter(expert=ada, kind="decision.made").count() == 1
    with unit_of_work(SYSTEM):
        (told,) = blockers(expert_id=ada.pk, payouts=[])
    assert (told.code, told.subject, told.remedy is not None) == ("held", run.lines.get().hold_id, True)
    with unit_of_work(SYSTEM):
        pay_runs.send_back(run=run, reason="again", by=finance)
        pay_runs.recalculate(run=PayRun.objects.get(), by=story.new_user("Prep"), now=NOW)
    with pytest.raises(PayRunChanged), unit_of_work(SYSTEM):
        pay_run_holds.hold(line=seen, reason="Late.", by=finance, now=NOW)
