"""The one clock, and that only development mode can move it."""

from __future__ import annotations

import datetime as dt

import pytest
from pytest_django import Settings

from core import clock


@pytest.mark.django_db
class TestClock:
    def test_it_moves_forward_for_all(self, settings: Settings) -> None:
        settings.CLOCK_MOVABLE = True
        before = clock.now()
        clock.advance(dt.timedelta(days=7))
        clock.advance(dt.timedelta(hours=1))
        assert dt.timedelta(days=7, hours=1) <= clock.now() - before < dt.timedelta(days=7, hours=1, minutes=1)
        assert abs(clock.stamp() - clock.now()) < dt.timedelta(minutes=1)

    @pytest.mark.parametrize("by", [dt.timedelta(0), dt.timedelta(seconds=-1)])
    def test_it_never_moves_back(self, settings: Settings, by: dt.timedelta) -> None:
        settings.CLOCK_MOVABLE = True
        with pytest.raises(ValueError, match="forward"):
            clock.advance(by)

    def test_a_production_clock_is_fixed(self, settings: Settings) -> None:
        settings.CLOCK_MOVABLE = False
        with pytest.raises(clock.ClockIsFixed):
            clock.advance(dt.timedelta(days=1))

    def test_it_can_be_held(self) -> None:
        at = dt.datetime(2026, 3, 29, 1, tzinfo=dt.UTC)
        with clock.frozen(at):
            assert clock.now() == clock.stamp() == at
