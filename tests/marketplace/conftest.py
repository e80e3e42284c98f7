"""What every test of the marketplace has: somebody who answers its questions."""

from __future__ import annotations

import pytest

from marketplace import ports
from tests.marketplace.world import NothingOpen, Purse


@pytest.fixture(autouse=True)
def purse(monkeypatch: pytest.MonkeyPatch) -> Purse:
    """Money in memory, instead of the payments floor's."""
    money = Purse()
    monkeypatch.setattr(ports.funds, "_implementation", money)
    return money


@pytest.fixture(autouse=True)
def nothing_open(monkeypatch: pytest.MonkeyPatch) -> NothingOpen:
    """What holds projects open: nothing, until a test says so."""
    above = NothingOpen()
    monkeypatch.setattr(ports.completion, "_answers", [above])
    return above
