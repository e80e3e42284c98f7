"""Approved hours, desks and appeals for tests of pay beside the hours."""

from __future__ import annotations

import datetime as dt
from typing import Any

from allauth.account.internal.flows.login import record_authentication
from django.contrib.auth.models import Permission
from django.http import HttpRequest
from django.test import Client

from core import clock
from core.public import User
from experts.public import Appeal, Notice
from payments import accounts, ledger
from payments.models import TimeEntry
from payments.operations.hours import time_entries, timesheets
from payments.queries import ledger_findings
from tests import browser
from tests.payments.hours_world import MONDAY, PLATFORM, World, platform

DAY = dt.timedelta(days=1)
DECIDED = MONDAY + 5 * DAY
LATER = DECIDED + DAY


def approved(world: World, minutes: int = 60, *, by_silence: bool = False, at: dt.datetime = DECIDED) -> TimeEntry:
    """One entry of a week that the lab, or its silence, approved. Called within `platform()`."""
    end = MONDAY + dt.timedelta(minutes=minutes)
    (entry,) = time_entries.log(
        contract=world.contract, activity="task", claim=None, started_at=MONDAY, ended_at=end, reason="none", now=end
    )
    if by_silence:
        sheet = timesheets.submit(timesheet=entry.timesheet, by=PLATFORM, now=at - 3 * DAY)
        timesheets.approve_by_silence(timesheet_id=sheet.pk, by=PLATFORM, now=at)
    else:
        sheet = timesheets.submit(timesheet=entry.timesheet, by=PLATFORM, now=at)
        timesheets.approve(timesheet=sheet, decided_by=world.member, by=PLATFORM, now=at)
    entry.refresh_from_db()
    return entry


def pay(world: World) -> tuple[int, int]:
    """(payable, held back) of the expert, in minor units."""
    with platform():
        payable, held = accounts.payable(world.expert.pk, "USD"), accounts.holdback(world.expert.pk, "USD")
        found = ledger.balances(keys=[payable, held])
    return found[payable], found[held]


def lab(world: World) -> tuple[int, int]:
    """(prepaid, receivable) of the lab, in minor units."""
    with platform():
        prepaid, owed = accounts.lab_prepaid(world.tenant.pk, "USD"), accounts.lab_receivable(world.tenant.pk, "USD")
        found = ledger.balances(keys=[prepaid, owed])
    return found[prepaid], found[owed]


def assert_the_books_hold() -> None:
    with platform():
        found = ledger_findings.findings()
        assert found == [], [finding.text for finding in found]


def told(world: World, subject: str) -> list[str]:
    """Bodies of the messages about one act, newest first."""
    with platform():
        return list(Notice.objects.filter(expert=world.expert, subject=subject).values_list("body", flat=True))


def decide_appeal(appeal_id: str, outcome: str, *, by: User, at: dt.datetime) -> None:
    """A person decides, and the outbox is drained."""
    from core import outbox
    from experts.operations import appeals

    with platform():
        appeals.decide(
            appeal=Appeal.objects.get(public_id=appeal_id), outcome=outcome, note="I looked at it.", by=by, now=at
        )
    outbox.drain(now=at)


class Desk:
    """A member of staff with a second factor, proven just now."""

    def __init__(self, *permissions: str) -> None:
        name = f"staff{User.objects.count()}@cadre.example"
        self.user = User.objects.create_user(name, is_staff=True)
        seeing = Permission.objects.filter(content_type__app_label="payments", codename__startswith="view_")
        self.user.user_permissions.set([*Permission.objects.filter(codename__in=permissions), *seeing])
        self.client = Client()
        self.client.force_login(self.user)
        request = HttpRequest()
        request.session = self.client.session
        request.user = self.user
        record_authentication(request, self.user, method="mfa", type="totp")
        request.session.save()

    def act(self, model: str, action: str, pk: int, at: dt.datetime = LATER, **fields: str) -> str:
        """Use a button of a list; the page that follows, as text."""
        sent = {"action": action, "_selected_action": str(pk), "confirmed": "yes", **fields}
        with clock.frozen(at):
            answer: Any = browser.press(self.client, f"/admin/payments/{model}/", sent, follow=True)
        return str(answer.content.decode())
