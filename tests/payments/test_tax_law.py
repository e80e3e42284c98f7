"""The tables and rules of tax papers, on plain values."""

from __future__ import annotations

import datetime as dt

import pytest

from payments import tax
from payments.tax import BadTaxId, Treatment


@pytest.mark.parametrize(("year", "cents"), [(2020, 60_000), (2025, 60_000), (2026, 200_000), (2031, 200_000)])
def test_the_threshold_is_that_of_its_year(year: int, cents: int) -> None:
    assert tax.nec_threshold(year) == cents


@pytest.mark.parametrize(
    ("day", "bp"), [(dt.date(2017, 12, 31), 2_800), (dt.date(2018, 1, 1), 2_400), (dt.date(2026, 11, 22), 2_400)]
)
def test_the_backup_rate_is_that_of_its_day(day: dt.date, bp: int) -> None:
    assert tax.backup_rate(day) == bp


@pytest.mark.parametrize(("text", "digits"), [("123-45-6789", "123456789"), ("12-3456789", "123456789")])
def test_american_numbers_lose_their_hyphens(text: str, digits: str) -> None:
    assert tax.normalised_us_tin(text) == digits


@pytest.mark.parametrize("text", ["900-00-0000", "000-12-3456", "12345", "P12345678", ""])
def test_numbers_that_nobody_has_are_refused(text: str) -> None:
    with pytest.raises(BadTaxId):
        tax.normalised_us_tin(text)


@pytest.mark.parametrize(
    ("text", "country", "normal"),
    [
        ("de 136 695 976", "DE", "DE136695976"),
        ("EL 094259216", "GR", "EL094259216"),
        ("FR 40 303 265 045", "FR", "FR40303265045"),
    ],
)
def test_vat_ids_are_written_in_one_way(text: str, country: str, normal: str) -> None:
    assert tax.normalised_vat_id(text, country=country) == normal


@pytest.mark.parametrize(
    ("text", "country", "code"),
    [
        ("DE136695977", "DE", "check_digits"),
        ("DE136695976", "FR", "other_country"),
        ("136695976", "DE", "check_digits"),
    ],
)
def test_a_mistyped_vat_id_is_told(text: str, country: str, code: str) -> None:
    with pytest.raises(BadTaxId) as refusal:
        tax.normalised_vat_id(text, country=country)
    assert refusal.value.code == code


def test_a_w8ben_ends_with_the_third_year_after_its_signature() -> None:
    signed = dt.datetime(2026, 2, 3, 12, tzinfo=dt.UTC)
    assert tax.w8ben_expiry(signed) == dt.datetime(2030, 1, 1, tzinfo=dt.UTC)


def test_each_stage_is_reminded_of_once() -> None:
    expires = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)

    def due(days: float, reminded: int | None) -> int | None:
        return tax.reminder_due(expires_at=expires, reminded_days=reminded, now=expires - dt.timedelta(days=days))

    assert due(61, None) is None
    assert (due(60, None), due(59, 60), due(14, 60), due(13, 14), due(2, 14), due(1, 3)) == (
        60,
        None,
        14,
        None,
        3,
        None,
    )
    assert due(2, None) == 3  # whoever signs late hears the most urgent one only
    assert due(0, 3) is None


@pytest.mark.parametrize(
    ("supplier", "customer", "treatment"),
    [
        ("DE", "FR", Treatment.REVERSE_CHARGE),
        ("DE", "DE", Treatment.DOMESTIC),
        ("DE", "US", Treatment.OUTSIDE_SCOPE),
        ("US", "DE", Treatment.OUTSIDE_SCOPE),
    ],
)
def test_what_becomes_of_vat(supplier: str, customer: str, treatment: Treatment) -> None:
    assert tax.vat_treatment(supplier=supplier, customer=customer) is treatment
