"""Hours on the operators' desk: queues, what a confirmation shows, and what a crafted POST cannot do."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from allauth.account.internal.flows.login import record_authentication
from django.contrib.auth.models import Permission
from django.http import HttpRequest
from django.test import Client

from core import clock
from core.public import User
from payments.models import Adjustment, AdjustmentProposal, Dispute, JournalEntry, Overage, TimeEntry, Timesheet
from payments.operations.hours import disputes, overages, time_entries, timers, timesheets
from tests import browser
from tests.payments import hours_world as hours
from tests.payments.hours_world import HOUR, MONDAY, PLATFORM, World, platform

pytestmark = pytest.mark.django_db

ADMIN = "/admin/payments"
VIEWS = ("view_timesheet", "view_timeentry", "view_overage", "view_dispute", "view_adjustment")
RIGHTS = ("approve_timesheet", "decide_overage", "decide_dispute", "correct_hours")
LATER = MONDAY + dt.timedelta(days=5)


class Desk:
    """A member of staff with a second factor."""

    def __init__(self, user: User, *permissions: str) -> None:
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        self.client = Client()
        self.client.force_login(user)
        request = HttpRequest()
        request.session = self.client.session
        record_authentication(request, user, method="mfa", type="totp")
        request.session.save()

    def act(self, model: str, action: str, *rows: Any, **fields: str) -> str:
        """Choose an action; ``confirmed`` is what the second page sends."""
        body = {"action": action, "_selected_action": [row.pk for row in rows], **fields}
        with clock.frozen(LATER):
            page: str = browser.press(self.client, f"{ADMIN}/{model}/", body, follow=True).content.decode()
        return page


@pytest.fixture
def desk() -> Desk:
    """Somebody with every right about hours."""
    user = User.objects.create_user("vera@cadre.example", "pass", is_staff=True)
    return Desk(user, *VIEWS, *RIGHTS)


def submitted(world: World, minutes: int) -> Timesheet:
    """A week with one entry."""
    end = MONDAY + dt.timedelta(minutes=minutes)
    (entry,) = time_entries.log(
        contract=world.contract,
        activity="task",
        claim=None,
        started_at=MONDAY,
        ended_at=end,
        reason="-",
        now=end,
    )
    return timesheets.submit(timesheet=entry.timesheet, by=PLATFORM, now=end)


def test_weeks_are_approved_after_count_and_sum_were_shown(desk: Desk) -> None:
    with platform():
        sheets = [submitted(hours.build(name=name), 60) for name in ("Aurora", "Borealis")]
    with clock.frozen(LATER):
        assert "Hours to approve" in desk.client.get("/admin/").content.decode()
        listed = desk.client.get(f"{ADMIN}/timesheet/?status__exact=submitted").content.decode()
        assert "1:00" in listed
        assert "143.00 USD" in listed
        assert desk.client.get(f"{ADMIN}/timesheet/{sheets[0].pk}/change/").status_code == 200
        assert desk.client.get(f"{ADMIN}/timeentry/").status_code == 200
    asked = desk.act("timesheet", "approve", *sheets)
    assert "This concerns 2 timesheets" in asked
    assert "286.00" in asked
    with platform():
        assert Timesheet.objects.filter(status="submitted").count() == 2
    desk.act("timesheet", "approve", *sheets, confirmed="yes")
    with platform():
        assert set(Timesheet.objects.values_list("status", flat=True)) == {"approved"}
        assert JournalEntry.objects.filter(kind="time_approved").count() == 2


def test_nobody_approves_his_own_by_a_crafted_post() -> None:
    with platform():
        world = hours.build(day_cap=HOUR)
        sheet = submitted(world, 60)
        timer = timers.start(
            contract=hours.build(name="Borealis", expert=world.expert, day_cap=60).contract,
            activity="task",
            claim=None,
            now=MONDAY + dt.timedelta(hours=3),
        )
        timers.stop(entry=timer, now=MONDAY + dt.timedelta(hours=3, minutes=9))
        overage = Overage.objects.get()
        world.user.is_staff = True
        world.user.save()
    own = Desk(world.user, *VIEWS, *RIGHTS)
    told = own.act("timesheet", "approve", sheet, confirmed="yes")
    assert "Nobody decides about himself" in told
    own.act("overage", "approve", overage, confirmed="yes")
    with platform():
        assert Timesheet.objects.get(pk=sheet.pk).status == "submitted"
        assert Overage.objects.get().status == "open"


def test_a_page_whose_figures_changed_is_shown_again(desk: Desk) -> None:
    with platform():
        world = hours.build()
        for n in range(2):
            start, end = (MONDAY + dt.timedelta(hours=2 * n + m) for m in (0, 1))
            time_entries.log(
                contract=world.contract,
                activity="task",
                claim=None,
                started_at=start,
                ended_at=end,
                reason="-",
                now=end,
            )
        sheet = timesheets.submit(timesheet=Timesheet.objects.get(), by=PLATFORM, now=MONDAY + dt.timedelta(days=1))
    asked = desk.act("timesheet", "approve", sheet)
    assert "286.00" in asked
    with platform():
        entry = sheet.entries.order_by("pk")[0]
        disputes.open_against(
            entry=entry, reason="-", proposed_seconds=0, decided_by=world.member, by=PLATFORM, now=LATER
        )
    told = desk.act("timesheet", "approve", sheet, confirmed="yes", figures=browser.seal_in(asked))
    assert "have changed since the page was shown" in told
    assert "143.00" in told
    assert "286.00" not in told
    with platform():
        assert Timesheet.objects.get().status == "submitted"
        assert not JournalEntry.objects.filter(kind="time_approved").exists()
    desk.act("timesheet", "approve", sheet, confirmed="yes", figures=browser.seal_in(told))
    with platform():
        assert Timesheet.objects.get().status == "approved"


def test_a_form_that_saw_no_page_or_another_is_shown_the_page(desk: Desk) -> None:
    """Confirmed without a seal, with that of a colleague, or with that of another button: asked, and nothing done."""
    with platform():
        world = hours.build()
        entry = submitted(world, 60).entries.get()
        TimeEntry.objects.filter(pk=entry.pk).update(seconds=0, overage_seconds=HOUR)
        entry.refresh_from_db()
        overage = overages.open_for(entry=entry, cap="handling", now=MONDAY)
    olga = User.objects.create_user("olga@cadre.example", "pass", is_staff=True)
    seals = [
        browser.seal_in(Desk(olga, *VIEWS, *RIGHTS).act("overage", "approve", overage)),
        browser.seal_in(desk.act("overage", "decline", overage)),
    ]
    assert len({*seals, ""}) == 3
    form = {"confirmed": "yes", "reason": "It was hard."}
    for seal in ("", *seals):
        told = desk.act("overage", "approve", overage, **form, figures=seal)
        assert "This concerns 1 overage" in told
        assert ">It was hard.</textarea>" in told or "textarea" not in told
        assert ("have changed since the page was shown" in told) == bool(seal)
        with platform():
            assert Overage.objects.get().status == "open"
    desk.act("overage", "approve", overage, **form, figures=browser.seal_in(told))
    with platform():
        assert Overage.objects.get().status != "open"


def test_rows_that_left_the_list_meanwhile_are_told_before_the_rest_is_done(desk: Desk) -> None:
    with platform():
        sheets = [submitted(hours.build(name=name), 60) for name in ("One", "Two")]
    queue = "timesheet/?status__exact=submitted"
    body = {"action": "approve", "_selected_action": [sheet.pk for sheet in sheets]}
    with clock.frozen(LATER):
        asked = desk.client.post(f"{ADMIN}/{queue}", body).content.decode()
    desk.act("timesheet", "approve", sheets[0], confirmed="yes")
    sent = {**body, "confirmed": "yes", "figures": browser.seal_in(asked)}
    with clock.frozen(LATER):
        told = desk.client.post(f"{ADMIN}/{queue}", sent).content.decode()
    assert "This concerns 1 timesheet" in told
    assert "have changed since the page was shown" in told
    with platform():
        assert Timesheet.objects.get(pk=sheets[1].pk).status == "submitted"


def test_without_the_right_nothing_happens() -> None:
    with platform():
        world = hours.build()
        sheet = submitted(world, 60)
        user = User.objects.create_user("nobody@cadre.example", "pass", is_staff=True)
    desk = Desk(user, *VIEWS)
    desk.act("timesheet", "approve", sheet, confirmed="yes")
    entry = desk.client.post(f"{ADMIN}/timeentry/1/change/", {"seconds": 1})
    assert entry.status_code in {302, 403, 404}
    assert desk.client.post(f"{ADMIN}/adjustment/add/", {"amount_minor": 1}).status_code == 403
    with platform():
        assert Timesheet.objects.get().status == "submitted"
        assert not Adjustment.objects.exists()


def test_a_dispute_is_decided_with_a_reason(desk: Desk) -> None:
    with platform():
        world = hours.build()
        sheet = submitted(world, 120)
        entry = sheet.entries.get()
        dispute = disputes.open_against(
            entry=entry, reason="half", proposed_seconds=HOUR, decided_by=world.member, by=PLATFORM, now=MONDAY
        )
    asked = desk.act("dispute", "uphold_partly", dispute)
    assert "143.00" in asked
    assert "Logged: 2:00, the lab proposes: 1:00, because: half" in asked
    desk.act("dispute", "uphold_partly", dispute, confirmed="yes", given="1:40", reason="")
    for given in ("1:00", "2:00", "2:01"):
        told = desk.act("dispute", "uphold_partly", dispute, confirmed="yes", given=given, reason="x")
        assert "counts more than 1 h and less than 2 h" in told, given
    for given in ("all", "none", "1:40 h"):
        told = desk.act("dispute", "uphold_partly", dispute, confirmed="yes", given=given, reason="x")
        assert "such as 6:40" in told, given
    with platform():
        assert Dispute.objects.get().status == "open"
    desk.act("dispute", "uphold_partly", dispute, confirmed="yes", given="1:40", reason="a third was waiting")
    with platform():
        assert (Dispute.objects.get().status, Dispute.objects.get().decided_seconds) == ("partly_upheld", 6_000)
        assert TimeEntry.objects.get().status == "adjusted"


def approved(minutes: int) -> TimeEntry:
    with platform():
        world = hours.build()
        sheet = submitted(world, minutes)
        timesheets.approve(timesheet=sheet, decided_by=world.member, by=PLATFORM, now=LATER)
        return sheet.entries.get()


def test_seven_twelve_becomes_six_forty(desk: Desk) -> None:
    entry = approved(432)
    asked = desk.act("timeentry", "correct", entry)
    assert "Entered: 7:12, counts now: 7:12" in asked
    assert "792.00" in asked
    desk.act("timeentry", "correct", entry, confirmed="yes", given="6:40", reason="counted twice")
    with platform():
        made = Adjustment.objects.get()
        assert (made.seconds, made.amount_minor) == (-1_920, -5_867)
        assert TimeEntry.objects.get().gross_minor == 79_200
    assert "Entered: 7:12, counts now: 6:40" in desk.act("timeentry", "correct", entry)
    page = desk.client.get(f"{ADMIN}/adjustment/{made.pk}/change/").content.decode()
    assert "counted twice" in page
    assert 'name="_save"' not in page


def test_all_and_none_are_words(desk: Desk) -> None:
    entry = approved(60)
    for given, counted in (("none", 0), ("0:59:30", 3_570), ("all", 3_600), ("0:00", 0), ("1:00", 3_600)):
        desk.act("timeentry", "correct", entry, confirmed="yes", given=given, reason="again")
        with platform():
            assert 3_600 + sum(Adjustment.objects.values_list("seconds", flat=True)) == counted, given


@pytest.mark.parametrize(
    "given",
    ["half", "ALL", "6", "-0:30", "+0:30", "0:60", "0:30:60", "0.5", "0:30.5", "PT30M", "0:3", ":30", "0:", "\uff10:30",
     "\u0660:\u0663\u0660", "99999:00", "0" * 5_000 + ":30", "0:30 0:30", "0:30\x00"],
)  # fmt: skip
def test_what_is_no_time_is_told_and_corrects_nothing(desk: Desk, given: str) -> None:
    entry = approved(60)
    told = desk.act("timeentry", "correct", entry, confirmed="yes", given=given, reason="x")
    assert "A time is written as hours and minutes, such as 6:40" in told
    with platform():
        assert not Adjustment.objects.exists()


def test_never_more_counts_than_was_entered(desk: Desk) -> None:
    entry = approved(60)
    for given in ("1:00:01", "9999:59"):
        told = desk.act("timeentry", "correct", entry, confirmed="yes", given=given, reason="x")
        assert "The entry lasted 1 h." in told
    with platform():
        assert not Adjustment.objects.exists()
        assert not AdjustmentProposal.objects.exists()
