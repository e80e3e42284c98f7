"""Limits that bind a person instead of a contract: his country's, and the one he set himself; and idle minutes."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from django.test import Client, override_settings

from core import clock
from core.api import docs
from core.public import User
from experts.models import Availability
from payments import working_time
from payments.models import Cap, Overage, TimeEntry, Timesheet
from payments.operations.hours import overages, time_entries, timers, timesheets
from payments.operations.hours.caps import CapExceeded
from payments.working_time import HOUR, Limit
from tests.payments import hours_world as hours
from tests.payments.hours_world import MONDAY, PLATFORM, World, platform

DAY = dt.timedelta(days=1)
DAY_ENDS = MONDAY.replace(hour=23)


def log(world: World, start: dt.datetime, length: dt.timedelta, *, activity: str = "task") -> list[TimeEntry]:
    """Time entered by hand, at once after it."""
    return time_entries.log(
        contract=world.contract,
        activity=activity,
        claim=None,
        started_at=start,
        ended_at=start + length,
        reason="-",
        now=start + length,
    )


def in_country(country: str) -> tuple[World, World]:
    """One expert with contracts of two labs."""
    expert = hours.make_expert("ada@example.org", country=country)
    first = hours.build(expert=expert, week_cap=80 * HOUR)
    return first, hours.build(name="Borealis", expert=expert, week_cap=80 * HOUR)


def test_the_latest_limit_of_a_country_counts() -> None:
    rows = (
        Limit("XX", dt.date(2020, 1, 1), 10 * HOUR, None),
        Limit("XX", dt.date(2026, 1, 1), 8 * HOUR, 40 * HOUR),
    )
    assert working_time.limit_for("XX", dt.date(2019, 12, 31), rows) is None
    assert working_time.limit_for("XX", dt.date(2025, 12, 31), rows) == rows[0]
    assert working_time.limit_for("XX", dt.date(2026, 1, 1), rows) == rows[1]
    assert working_time.limit_for("YY", dt.date(2026, 1, 1), rows) is None


def test_limits_are_sane() -> None:
    for limit in working_time.LIMITS:
        assert 0 < (limit.day_seconds or 1) <= 24 * HOUR
        assert 0 < (limit.week_seconds or 1) <= 168 * HOUR
    keys = [(limit.country, limit.since) for limit in working_time.LIMITS]
    assert len(keys) == len(set(keys))


@pytest.mark.django_db
def test_a_day_has_its_limit_for_all_labs_together() -> None:
    with platform():
        here, there = in_country("FR")
        log(here, MONDAY.replace(hour=6), dt.timedelta(hours=6))
        log(there, MONDAY.replace(hour=12), dt.timedelta(hours=3, minutes=30))
        with pytest.raises(CapExceeded) as refusal:
            log(there, MONDAY.replace(hour=16), dt.timedelta(hours=1))
        assert (refusal.value.extra["cap"], refusal.value.extra["available"]) == ("country_day", "PT30M")
        log(there, MONDAY.replace(hour=16), dt.timedelta(minutes=30))
        with pytest.raises(CapExceeded):
            timers.start(contract=here.contract, activity="task", claim=None, now=MONDAY.replace(hour=18))
        # Elsewhere the same day is long enough.
        elsewhere = hours.build(name="Cirrus", week_cap=80 * HOUR)
        log(elsewhere, MONDAY.replace(hour=6), dt.timedelta(hours=12))


@pytest.mark.django_db
def test_a_week_has_its_limit_and_a_stop_is_never_refused() -> None:
    with platform():
        here, there = in_country("FR")
        for n in range(5):
            log(here if n % 2 else there, MONDAY.replace(hour=7) + n * DAY, dt.timedelta(hours=9, minutes=30))
        saturday = MONDAY + 5 * DAY
        timer = timers.start(contract=here.contract, activity="task", claim=None, now=saturday)
        TimeEntry.objects.filter(pk=timer.pk).update(last_heartbeat_at=saturday + dt.timedelta(hours=2))
        counted, over = timers.stop(entry=timer, now=saturday + dt.timedelta(hours=2))
        assert (counted.seconds, over.overage_seconds) == (HOUR // 2, HOUR + HOUR // 2)
        assert Overage.objects.get().cap == "country_week"


@pytest.mark.django_db
def test_the_limit_of_a_country_is_told_where_it_cut_hours() -> None:
    """Nine hours for one lab and two for another are an hour more than a day in France has."""
    with platform():
        here, there = in_country("FR")
        log(there, MONDAY.replace(hour=5), dt.timedelta(hours=9))
        evening = MONDAY.replace(hour=15)
        timer = timers.start(contract=here.contract, activity="task", claim=None, now=evening)
        TimeEntry.objects.filter(pk=timer.pk).update(last_heartbeat_at=evening + dt.timedelta(hours=2))
    expert, later = hours.expert_caller(here), evening + dt.timedelta(hours=2)
    counted, over = expert("POST", f"/expert/time-entries/{timer.public_id}/stop", at=later).json()["entries"]
    assert (counted["time"]["billable"], over["time"]["overage"]) == ("PT1H", "PT1H")
    for entry in (counted, over):
        caps = expert("GET", f"/expert/earnings/{entry['id']}/explain", at=later).json()["time"]["caps"]
        assert {"cap": "country_day", "limit": "PT10H", "used": "PT11H"} in caps
        assert {"cap": "country_week", "limit": "PT48H", "used": "PT11H"} in caps
        assert {"cap": "week", "limit": "PT80H", "used": "PT1H"} in caps
    (overage,) = expert("GET", "/expert/overages", at=later).json()["results"]
    assert overage["cap"] == "country_day"


def test_every_cap_that_cuts_is_documented() -> None:
    schemas = orjson.loads(docs.document())["components"]["schemas"]
    for component in ("Overage", "CapUse"):
        text = schemas[component]["properties"]["cap"]["description"]
        assert [cap for cap in Cap if cap.value not in text] == [Cap.OWN_DAY], component


@pytest.mark.django_db
def test_unpaid_work_is_work_and_unconfirmed_minutes_are_none() -> None:
    with platform():
        here, there = in_country("FR")
        log(here, MONDAY.replace(hour=5), dt.timedelta(hours=6), activity="assessment")
        timer = timers.start(contract=there.contract, activity="task", claim=None, now=MONDAY.replace(hour=11))
        timers.stop(entry=timer, now=MONDAY.replace(hour=14))
        with pytest.raises(CapExceeded) as refusal:
            log(here, MONDAY.replace(hour=15), dt.timedelta(hours=5))
        assert refusal.value.extra["available"] == "PT4H"


@pytest.mark.django_db
def test_nobody_starts_a_timer_beyond_his_own_limit() -> None:
    with platform():
        world = hours.build()
        Availability.objects.update_or_create(expert=world.expert, defaults={"daily_cap_seconds": 2 * HOUR})
        log(world, MONDAY, dt.timedelta(hours=2))
        with pytest.raises(CapExceeded) as refusal:
            timers.start(contract=world.contract, activity="task", claim=None, now=MONDAY.replace(hour=15))
        assert refusal.value.extra["cap"] == "own_day"
        assert refusal.value.remedy is not None
        assert refusal.value.remedy.href == "/api/v1/expert/availability"
        timers.start(contract=world.contract, activity="task", claim=None, now=MONDAY + DAY)


@pytest.mark.django_db
@pytest.mark.parametrize("decided", ["before", "after"])
def test_time_over_a_day_is_decided_once_whenever_the_week_is_handed_in(decided: str) -> None:
    """An overage of the day cap neither meets the cap per item nor takes room from it, in whichever order."""
    with platform():
        world = hours.build(aht_cap=HOUR, day_cap=HOUR)
        claim = hours.make_claim(world, status="active")
        timer = timers.start(contract=world.contract, activity="task", claim=claim, now=MONDAY)
        TimeEntry.objects.filter(pk=timer.pk).update(last_heartbeat_at=MONDAY + dt.timedelta(minutes=90))
        timers.stop(entry=timer, now=MONDAY + dt.timedelta(minutes=90))
        time_entries.log(
            contract=world.contract,
            activity="task",
            claim=claim,
            started_at=MONDAY + DAY,
            ended_at=MONDAY + DAY + dt.timedelta(minutes=20),
            reason="-",
            now=MONDAY + 2 * DAY,
        )
        judge = User.objects.create_user("judge@cadre.example", "pass")
        overage, sheet = Overage.objects.get(), Timesheet.objects.get()
        steps: list[Callable[[], object]] = [
            lambda: overages.approve(overage=overage, decided_by=judge, now=MONDAY + 2 * DAY),
            lambda: timesheets.submit(timesheet=sheet, by=PLATFORM, now=MONDAY + 2 * DAY),
        ]
        for step in steps if decided == "before" else reversed(steps):
            step()
        assert list(Overage.objects.order_by("pk").values_list("cap", "seconds")) == [("day", 1800), ("handling", 1200)]
        assert sum(TimeEntry.objects.values_list("seconds", flat=True)) == HOUR + 1800
        first = TimeEntry.objects.filter(overage=None).get().public_id
    caps = hours.expert_caller(world)("GET", f"/expert/earnings/{first}/explain").json()["time"]["caps"]
    assert {"cap": "handling", "limit": "PT1H", "used": "PT1H"} in caps


@pytest.mark.django_db
@override_settings(HANDLING_TOLERANCE_BP=12_500)
def test_the_tolerance_widens_the_cap_per_item() -> None:
    with platform():
        world = hours.build(aht_cap=1800)
        claim = hours.make_claim(world, status="submitted")
        time_entries.log(
            contract=world.contract,
            activity="task",
            claim=claim,
            started_at=MONDAY,
            ended_at=MONDAY + dt.timedelta(minutes=40),
            reason="-",
            now=MONDAY + DAY,
        )
        timesheets.submit(timesheet=Timesheet.objects.get(), by=PLATFORM, now=MONDAY + DAY)
        assert Overage.objects.get().seconds == 150
        entry = TimeEntry.objects.filter(overage=None).get().public_id
    caps = hours.expert_caller(world)("GET", f"/expert/earnings/{entry}/explain").json()["time"]["caps"]
    assert {"cap": "handling", "limit": "PT37M30S", "used": "PT37M30S"} in caps


@pytest.fixture
def working(client: Client, db: None) -> tuple[Client, World]:
    """An expert's client, at a moment of a Monday."""
    with platform():
        world = hours.build()
    client.force_login(world.user)
    return client, world


def beat(client: Client, entry: str, **body: str) -> dict[str, Any]:
    """One heartbeat over HTTP."""
    answer = client.post(f"/api/v1/expert/time-entries/{entry}/heartbeat", json.dumps(body), "application/json")
    return {"http": answer.status_code, **answer.json()}


def test_idle_minutes_are_not_vouched_for(working: tuple[Client, World]) -> None:
    client, world = working
    with platform():
        timer = timers.start(contract=world.contract, activity="task", claim=None, now=MONDAY)
    minute = dt.timedelta(minutes=1)
    with clock.frozen(MONDAY + 8 * minute):
        assert beat(client, timer.public_id, idle_for="PT3M")["status"] == "running"
    with clock.frozen(MONDAY + 14 * minute):
        assert beat(client, timer.public_id, idle_for="PT9M")["status"] == "running"
    with clock.frozen(MONDAY + 16 * minute):
        stopped = beat(client, timer.public_id, idle_for="PT11M")
    assert stopped["status"] == "stopped"
    with platform():
        kept = {entry.started_at: entry for entry in TimeEntry.objects.live()}
        assert kept[MONDAY].seconds == 5 * 60
        assert kept[MONDAY + 5 * minute].unconfirmed_seconds == 10 * 60


@pytest.mark.parametrize("idle_for", ["11 minutes", "P2D", "-PT1M", ""])
def test_a_strange_idle_time_is_named(working: tuple[Client, World], idle_for: str) -> None:
    client, world = working
    with platform():
        timer = timers.start(contract=world.contract, activity="task", claim=None, now=MONDAY)
    with clock.frozen(MONDAY + dt.timedelta(minutes=1)):
        answer = beat(client, timer.public_id, idle_for=idle_for)
    assert answer["http"] == 400
    assert answer["errors"][0]["pointer"] == "/idle_for"
    with platform():
        assert TimeEntry.objects.get().is_running
