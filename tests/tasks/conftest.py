"""What every test of this floor has: a clock that stands still."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core import clock
from tests.tasks.world import NOW


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    with clock.frozen(NOW):
        yield
