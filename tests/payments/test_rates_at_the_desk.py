"""What an hour truly paid is one number: the expert, the lab and the desk read the same."""

from __future__ import annotations

import re

import pytest

from core import clock
from core.money import Money
from payments.models import FloorCheck, TimeEntry
from payments.operations.pay import adjustments, bonuses
from payments.operations.pay.bonuses import Bonus
from tests.marketplace.test_desk import Desk
from tests.payments.hours_world import HOUR, PLATFORM, platform
from tests.payments.test_time_weeks import staff
from tests.payments.test_true_ups import LATER, Story

pytestmark = pytest.mark.django_db


@pytest.fixture
def story() -> Story:
    """Two paid hours, one unpaid, one that was corrected away, and a bonus: the floor's own figures differ."""
    story = Story()
    story.log("task", 180)
    story.log("assessment", 60, day=1)
    story.approve()
    with platform():
        entry = TimeEntry.objects.get(activity="task")
        adjustments.correct(entry=entry, counted=2 * HOUR, reason="Twice.", decided_by=staff(), now=LATER)
        bonus = Bonus(story.world.contract, Money(1_000, "EUR"), reason="Good.")
        bonuses.pay(bonus=bonus, decided_by=story.world.member, by=PLATFORM, now=LATER)
    return story


def contract_page(desk: Desk, story: Story) -> str:
    with clock.frozen(LATER):
        page = desk.client.get(f"/admin/marketplace/contract/{story.world.contract.pk}/change/")
    assert page.status_code == 200
    return page.content.decode()


def test_a_week_pays_at_the_desk_what_the_api_says(story: Story) -> None:
    (week,) = [week for week in story.effective()["weeks"] if week["week"]]
    with platform():
        check = FloorCheck.objects.get()
    by_the_floor = Money((check.gross_minor + check.added_minor) * HOUR // check.worked_seconds, "EUR")
    with clock.frozen(LATER):
        page = Desk("view_floorcheck").client.get("/admin/payments/floorcheck/").content.decode()
    (shown,) = re.findall(r'<td class="field-effective_rate [^>]*>([\d.]+) EUR', page)
    assert shown == week["rate"]["amount"] != by_the_floor.amount


def test_a_contract_tells_what_was_agreed_planned_and_paid(story: Story) -> None:
    told = story.effective()
    page = contract_page(Desk("view_contract", "view_floorcheck"), story)
    for line in (
        f"Agreed: {told['nominal']['amount']} EUR",
        f"Planned, for the first two weeks: {told['planned_hourly_rate']['amount']} EUR",
        f"Actual: {told['actual']['amount']} EUR",
        f"Tracked: 4:00, unpaid of it: 1:00. Earned: {told['earned']['amount']} EUR, added: {told['added']['amount']} EUR",
    ):
        assert line in page


def test_before_any_week_was_decided_there_is_no_actual_rate() -> None:
    page = contract_page(Desk("view_contract", "view_floorcheck"), Story())
    assert "Agreed: 20.00 EUR" in page
    assert "Actual: no week was decided yet" in page


def test_who_may_not_see_pay_sees_the_contract_without_it(story: Story) -> None:
    page = contract_page(Desk("view_contract"), story)
    assert story.world.contract.public_id in page
    assert "Actual:" not in page
    assert "Earned:" not in page
