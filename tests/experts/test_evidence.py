"""Evidence is read in words: amounts, times and shares, whatever shape a decision kept them in."""

from __future__ import annotations

from typing import Any

import pytest

from experts import evidence


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        ({}, ""),
        ({"taken": "PT1H"}, "taken: 1 h"),
        ({"amount": {"amount": "12.50", "currency": "USD"}}, "amount: 12.50 USD"),
        ({"time_entry": "tme_01", "over": "PT45S"}, "time entry: tme_01; over: 45 s"),
        ({"rate_bp": 2400}, "rate: 24 %"),
        ({"rate_bp": 1250}, "rate: 12.5 %"),
        ({"document_sha256": None, "status": "active"}, "status: active"),
        ({"failed": ["degree", "languages"]}, "failed: degree, languages"),
        ({"requirements": [{"reason": "licence_expired", "asked": "US-NY"}]}, "requirements: reason: licence_expired; asked: US-NY"),
        ({"reason": "Played a game", "answer": ""}, "reason: Played a game"),
        ({"count": 0}, "count: 0"),
        ({"taken": "PT"}, "taken: PT"),
    ],
)  # fmt: skip
def test_each_shape_is_told(kept: dict[str, Any], told: str) -> None:
    assert evidence.in_words(kept) == told
