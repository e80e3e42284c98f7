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
from payments.models import Adjustment, Dispute, JournalEntry, Overage, TimeEntry, Timesheet
from payments.operations.hours import disputes, time_entries, timers, timesheets
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
            page: str = self.client.post(f"{ADMIN}/{model}/", body, follow=True).content.decode()
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
        assert "PT1H" in listed
        assert "143.00 USD" in listed
        assert desk.client.get(f"{ADMIN}/timesheet/{sheets[0].pk}/change/").status_code == 200
        assert desk.client.get(f"{ADMIN}/timeentry/").status_code == 200
    asked = desk.act("timesheet", "approve", *sheets)
    assert "This concerns 2 rows" in asked
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
    desk.act("dispute", "uphold_partly", dispute, confirmed="yes", choice="2", reason="")
    with platform():
        assert Dispute.objects.get().status == "open"
    desk.act("dispute", "uphold_partly", dispute, confirmed="yes", choice="2", reason="half of it was waiting")
    with platform():
        assert (Dispute.objects.get().status, Dispute.objects.get().decided_seconds) == ("partly_upheld", 5400)
        assert TimeEntry.objects.get().status == "adjusted"


def test_approved_hours_are_corrected_by_an_adjustment(desk: Desk) -> None:
    with platform():
        world = hours.build()
        sheet = submitted(world, 60)
        timesheets.approve(timesheet=sheet, decided_by=world.member, by=PLATFORM, now=LATER)
        entry = sheet.entries.get()
    desk.act("timeentry", "correct", entry, confirmed="yes", choice="half", reason="counted twice")
    with platform():
        assert Adjustment.objects.get().amount_minor == -5_500
        assert TimeEntry.objects.get().gross_minor == 11_000
        change = f"{ADMIN}/adjustment/{Adjustment.objects.get().pk}/change/"
    page = desk.client.get(change).content.decode()
    assert "counted twice" in page
    assert 'name="_save"' not in page
