"""What every test of this floor has: a clock that stands still, and money in memory instead of the payments floor's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core import clock
from tests.marketplace.conftest import purse
from tests.tasks.world import NOW

__all__ = ["purse"]


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    with clock.frozen(NOW):
        yield
