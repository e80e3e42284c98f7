"""The seed card, the reservation and the planned hourly rate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from marketplace.rates import (
    LOCATION_BANDS,
    SEED_DOMAIN_FACTORS,
    TIERS,
    RateNotFound,
    RateRow,
    UnknownActivity,
    band_of,
    cost_per_hour,
    look_up,
    planned_hourly_rate,
    reservation_for,
    seed_rate,
    seed_rows,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("tier", "domain", "band", "minor"),
    [
        ("generalist", "software", "high", 2_000),
        ("generalist", "humanities", "low", 560),  # 20 x 0.8 x 0.35
        ("skilled", "medicine", "upper_middle", 3_185),  # 35 x 1.3 x 0.7
        ("specialist", "law", "low", 7_200),  # location does not count any more
        ("expert", "medicine", "low", 14_300),
        ("senior_expert", "finance", "high", 24_000),
        ("principal", "medicine", "high", 65_000),
        ("expert", "gastronomy", "high", 11_000),  # no factor of its own
    ],
)
def test_the_rate_is_tier_by_domain_by_location(tier: str, domain: str, band: str, minor: int) -> None:
    assert seed_rate(tier=tier, domain=domain, band=band) == minor


def test_the_seed_card_is_not_converted_into_other_currencies() -> None:
    with pytest.raises(ValueError, match="JPY"):
        seed_rate(tier="expert", domain="law", band="high", currency="JPY")
    with pytest.raises(KeyError):
        seed_rate(tier="wizard", domain="law", band="high")


def test_the_card_prices_every_combination_as_the_formula_does() -> None:
    rows = seed_rows(valid_from=START, domains=["gastronomy"])
    for tier in TIERS:
        for domain in [*SEED_DOMAIN_FACTORS, "gastronomy", "astrology"]:
            for band in LOCATION_BANDS:
                row = look_up(rows, tier=tier, domain=domain, band=band, at=NOW)
                assert row.amount_minor == seed_rate(tier=tier, domain=domain, band=band)


def _row(amount: int, *, domain: str | None = None, band: str | None = None, start: datetime = START) -> RateRow:
    return RateRow("expert", domain, band, amount, "USD", valid_from=start)


def test_the_most_specific_row_wins() -> None:
    rows = [_row(1), _row(2, band="low"), _row(3, domain="law"), _row(4, domain="law", band="low")]

    def amount(domain: str, band: str) -> int:
        return look_up(rows, tier="expert", domain=domain, band=band, at=NOW).amount_minor

    assert amount("law", "low") == 4
    assert amount("law", "high") == 3
    assert amount("medicine", "low") == 2
    assert amount("medicine", "high") == 1


def test_a_row_is_valid_from_its_start_until_before_its_end() -> None:
    end = START + timedelta(days=1)
    row = RateRow("expert", None, None, 5, "USD", valid_from=START, valid_until=end)

    def found(at: datetime) -> bool:
        return row.covers(tier="expert", domain="law", band="low", unit="hour", at=at)

    assert found(START)
    assert not found(end)
    assert not found(START - timedelta(seconds=1))


def test_a_missing_rate_is_an_error_and_never_a_guess() -> None:
    with pytest.raises(RateNotFound, match="item rate for expert"):
        look_up([_row(1)], tier="expert", domain="law", band="low", at=NOW, unit="item")


def test_a_reservation_is_two_weeks_of_the_cap_with_the_fee() -> None:
    assert reservation_for(weekly_cap_seconds=36_000, rate_minor=11_000, fee_bp=2_000) == 264_000
    assert reservation_for(weekly_cap_seconds=0, rate_minor=11_000, fee_bp=2_000) == 0
    # 1 h at 0.01 with 20 % fee: the fee of 0.2 minor units rounds to nothing
    assert reservation_for(weekly_cap_seconds=3_600, rate_minor=1, fee_bp=2_000) == 2


def test_the_lab_sees_rate_and_fee_of_an_hour() -> None:
    assert cost_per_hour(11_000, 2_000) == 13_200


def test_unpaid_hours_lower_the_planned_rate() -> None:
    policy = {"onboarding": 0, "instructions": 5_000, "task": 10_000}
    plan = {"onboarding": 3_600, "instructions": 7_200, "task": 25_200}
    assert planned_hourly_rate(rate_minor=11_000, policy=policy, planned_seconds=plan) == 8_800


def test_a_plan_is_paid_as_its_policy_says_or_not_at_all() -> None:
    with pytest.raises(UnknownActivity, match="No pay policy for: rework"):
        planned_hourly_rate(rate_minor=1, policy={"task": 10_000}, planned_seconds={"task": 1, "rework": 1})
    with pytest.raises(UnknownActivity, match="napping"):
        planned_hourly_rate(rate_minor=1, policy={"napping": 10_000}, planned_seconds={"task": 1})
    with pytest.raises(ValueError, match="seconds"):
        planned_hourly_rate(rate_minor=1, policy={"task": 10_000}, planned_seconds={"task": 0})


def test_an_unlisted_country_is_never_underpaid() -> None:
    assert [band_of(c) for c in ("DE", "BR", "IN", "ET", "ZZ")] == [
        "high",
        "upper_middle",
        "lower_middle",
        "low",
        "high",
    ]
