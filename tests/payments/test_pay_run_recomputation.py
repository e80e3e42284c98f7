"""A pay run is a function of the journal's first entries: whoever calculates it again gets the same bytes."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import threading
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from core.public import unit_of_work
from experts.public import Expert
from payments.models import PayoutMethod, PayRun, PayRunExclusion, PayRunLine, TaxProfile
from payments.operations.payee import payees
from payments.operations.runs import pay_run_judgement, pay_runs
from payments.queries.pay_run_recomputation import recompute
from tests.payments import ledger_story as story
from tests.payments.ledger_story import MONDAY, NOW, SYSTEM

pytestmark = pytest.mark.django_db(transaction=True)

WEEK = dt.timedelta(days=7)


def command(run: PayRun) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("recompute_pay_run", run.public_id, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def failed(run: PayRun) -> str:
    err = io.StringIO()
    with pytest.raises(CommandError) as refused:
        call_command("recompute_pay_run", run.public_id, stdout=io.StringIO(), stderr=err)
    assert refused.value.returncode == 1
    return err.getvalue()


def rows_of(text: str) -> dict[str, dict[str, Any]]:
    return {row["expert"]: row for row in map(json.loads, text.splitlines()[1:])}


@pytest.fixture
def ada() -> Expert:
    return story.new_expert(account="acct-ada")


@pytest.fixture
def others() -> dict[str, Expert]:
    """One is taxed, one has no method, one owes, one is blocked, one is below the minimum."""
    lab = story.new_lab(funded=1_000_000)
    people = {
        name: story.new_expert(name, ready=name != "Bare") for name in ("Taxed", "Bare", "Owes", "Blocked", "Small")
    }
    TaxProfile.objects.filter(expert=people["Taxed"]).update(withholding_bp=2_400)
    for name, minor in (("Taxed", 10_001), ("Bare", 900), ("Owes", 100), ("Blocked", 700), ("Small", 99)):
        story.earn(people[name], minor, lab=lab)
    story.claw_back(people["Owes"], 400, lab=lab, now=MONDAY - dt.timedelta(hours=1))
    with unit_of_work(SYSTEM):
        story.block(people["Blocked"], by=story.new_user())
    return people


def test_it_prints_every_line_and_its_digest(ada: Expert, others: dict[str, Expert]) -> None:
    story.earn(ada, 20_000, lab=story.new_lab(funded=100_000))
    run = story.released_run()
    text, told = command(run)
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert digest == run.calculation_digest
    assert f"sha256 {digest}" in told
    head, rows = json.loads(text.splitlines()[0]), rows_of(text)
    assert (head["run"], head["cutoff"]) == (run.public_id, "2026-11-16T00:00:00+00:00")
    assert rows[ada.public_id] == {
        "expert": ada.public_id,
        "currency": "USD",
        "gross_minor": 20_000,
        "withheld_minor": 0,
        "amount_minor": 20_000,
        "method": PayoutMethod.objects.get(expert=ada).public_id,
    }
    assert (rows[others["Taxed"].public_id]["withheld_minor"], rows[others["Taxed"].public_id]["amount_minor"]) == (
        2_400,
        7_601,
    )
    left_out = {name: rows[others[name].public_id].get("excluded") for name in others}
    assert left_out == {
        "Taxed": None,
        "Bare": "no_payout_method",
        "Owes": "below_zero",
        "Blocked": "blocked",
        "Small": "below_minimum",
    }


def test_a_run_of_long_ago_is_still_the_same(ada: Expert, others: dict[str, Expert], settings: Settings) -> None:
    """Whatever moved since: pay, takings, methods, tax, settings, blocks, later runs."""
    lab = story.new_lab(funded=100_000)
    story.earn(ada, 20_000, lab=lab)
    run = story.released_run()
    before = command(run)[0]
    story.send_and_track()
    later = NOW + WEEK
    story.earn(ada, 7_000, lab=lab, at=MONDAY - dt.timedelta(days=3))  # approved before the cutoff, written after it
    story.claw_back(ada, 300, lab=lab, now=later)
    story.add_method(ada, account="acct-new", now=NOW)
    TaxProfile.objects.update(withholding_bp=1_000)
    with unit_of_work(SYSTEM):
        payees.remove_method(method=PayoutMethod.objects.get(expert=others["Taxed"], status="active"), now=NOW)
        story.block(ada, by=story.new_user())
    settings.PAYOUT_MINIMUM_MINOR = {"USD": 6_000}
    story.earn(others["Owes"], 50_000, lab=lab, at=later)
    story.released_run(now=later + WEEK)
    assert command(run)[0] == before


def test_a_line_changed_by_hand_is_named(ada: Expert) -> None:
    story.earn(ada, 20_000, lab=story.new_lab(funded=100_000))
    run = story.released_run()
    PayRunLine.objects.update(amount_minor=20_001)
    told = failed(run)
    assert ada.public_id in told
    assert '- {"expert"' in told
    assert '"amount_minor":20001' in told
    assert '"amount_minor":20000' in told


def test_an_exclusion_or_a_line_that_vanished_is_named(ada: Expert, others: dict[str, Expert]) -> None:
    run = story.released_run()
    PayRunExclusion.objects.filter(expert=others["Small"]).delete()
    told = failed(run)
    assert others["Small"].public_id in told
    assert others["Bare"].public_id not in told


def test_inputs_that_were_changed_do_not_hide_it(ada: Expert) -> None:
    story.earn(ada, 20_000, lab=story.new_lab(funded=100_000))
    run = story.released_run()
    PayRun.objects.update(inputs={**run.inputs, "minimum": 1})
    assert f"frozen {run.calculation_digest}" in failed(run)


def test_a_run_without_lines_can_be_calculated_again() -> None:
    with unit_of_work(SYSTEM):
        run = pay_runs.prepare(currency="USD", by=story.new_user(), now=NOW)
    assert len(command(run)[0].splitlines()) == 1


def test_what_cannot_be_calculated_again_says_so() -> None:
    with pytest.raises(CommandError) as refused:
        call_command("recompute_pay_run", "run_unknown")
    assert refused.value.returncode == 2
    with unit_of_work(SYSTEM):
        run = pay_runs.prepare(currency="USD", by=story.new_user(), now=NOW)
        PayRun.objects.update(inputs={})
    with pytest.raises(CommandError) as refused:
        call_command("recompute_pay_run", run.public_id)
    assert refused.value.returncode == 2


def test_the_watermark_waits_for_writers_whose_ids_are_lower(ada: Expert) -> None:
    """An entry written before the calculation and committed after it began is in the run, not a hole beneath it."""
    lab = story.new_lab(funded=100_000)
    written, commit = threading.Event(), threading.Event()

    def writer() -> None:
        with unit_of_work(SYSTEM):
            story.earn(ada, 20_000, lab=lab)
            written.set()
            assert commit.wait(30)
        connection.close()

    thread = threading.Thread(target=writer)
    thread.start()
    assert written.wait(30)
    threading.Timer(0.3, commit.set).start()
    with unit_of_work(SYSTEM):
        run = pay_runs.prepare(currency="USD", by=story.new_user(), now=NOW)
    thread.join()
    assert run.total_minor == 20_000
    with unit_of_work(SYSTEM):
        assert recompute(run).is_the_same


def test_writers_do_not_wait_for_the_rest_of_the_calculation(ada: Expert) -> None:
    """The fence is open again as soon as the watermarks are read: while this transaction goes on, others post."""
    lab = story.new_lab(funded=100_000)
    done: list[str] = []

    def writer() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '20s'")
        done.append(story.earn(ada, 500, lab=lab))
        connection.close()

    with unit_of_work(SYSTEM):
        pay_run_judgement.watermarks()
        thread = threading.Thread(target=writer)
        thread.start()
        thread.join(30)
    assert len(done) == 1
