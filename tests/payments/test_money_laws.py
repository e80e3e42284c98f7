"""Pure laws of paying: the calendar, account details and their check digits, sealed secrets, names of accounts."""

from __future__ import annotations

import base64
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from core import vault
from payments import accounts, calendar, payout_details
from payments.calendar import PaySchedule
from payments.checks import the_vault_has_a_key
from payments.payout_details import BadDetails
from payments.providers import registry

WEEKLY = PaySchedule()
EPOCH = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
INSTANTS = st.timedeltas(dt.timedelta(0), dt.timedelta(days=25_000)).map(lambda later: EPOCH + later)
SCHEDULES = st.builds(PaySchedule, weekday=st.integers(0, 6), hour=st.integers(0, 23), days_to_payday=st.integers(0, 6))


def test_a_week_is_cut_off_on_monday_and_paid_on_wednesday() -> None:
    sunday = dt.datetime(2026, 11, 15, 23, 59, tzinfo=dt.UTC)
    monday = dt.datetime(2026, 11, 16, tzinfo=dt.UTC)
    assert calendar.last_cutoff(WEEKLY, sunday) == monday - dt.timedelta(days=7)
    assert calendar.last_cutoff(WEEKLY, monday) == monday
    assert calendar.next_cutoff(WEEKLY, monday) == monday + dt.timedelta(days=7)
    assert calendar.payday(WEEKLY, monday) == dt.date(2026, 11, 18)


def test_a_payday_on_a_weekend_moves_to_monday() -> None:
    friday = PaySchedule(weekday=4, hour=12, days_to_payday=1)
    assert calendar.payday(friday, dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)) == dt.date(2026, 11, 23)


@given(SCHEDULES, INSTANTS)
def test_every_instant_lies_between_two_cutoffs_a_week_apart(schedule: PaySchedule, now: dt.datetime) -> None:
    last, following = calendar.last_cutoff(schedule, now), calendar.next_cutoff(schedule, now)
    assert last <= now < following
    assert following - last == dt.timedelta(days=7)
    assert calendar.payday(schedule, last).weekday() < 5
    assert calendar.payday(schedule, last) >= last.date()


def test_a_schedule_that_makes_no_sense_is_refused() -> None:
    for wrong in ({"weekday": 7}, {"hour": 24}, {"days_to_payday": -1}):
        with pytest.raises(ValueError, match="schedule"):
            PaySchedule(**wrong)


def test_an_iban_is_checked_compacted_and_masked() -> None:
    clean = payout_details.normalise("iban", {"iban": "de89 3704 0044 0532 0130 00"})
    assert clean == {"iban": "DE89370400440532013000"}
    assert payout_details.masked("iban", clean) == "DE••••3000"


@given(st.integers(0, 21), st.sampled_from("0123456789"))
def test_one_wrong_digit_in_an_iban_is_noticed(position: int, digit: str) -> None:
    right = "DE89370400440532013000"
    if position < 2 or right[position] == digit:
        return
    with pytest.raises(BadDetails):
        payout_details.normalise("iban", {"iban": right[:position] + digit + right[position + 1 :]})


def test_a_us_account_is_checked() -> None:
    clean = payout_details.normalise("us_bank", {"routing_number": "021000021", "account_number": "12345678"})
    assert payout_details.masked("us_bank", clean) == "••••5678"
    with pytest.raises(BadDetails) as wrong:
        payout_details.normalise("us_bank", {"routing_number": "021000022", "account_number": "12345678"})
    assert (wrong.value.member, wrong.value.code) == ("routing_number", "check_digits")


def test_missing_and_strange_details_are_named() -> None:
    with pytest.raises(BadDetails) as missing:
        payout_details.normalise("us_bank", {"routing_number": "021000021"})
    assert (missing.value.member, missing.value.code) == ("account_number", "required")
    with pytest.raises(BadDetails) as strange:
        payout_details.normalise("sandbox", {"account": "acct-1", "iban": "x"})
    assert strange.value.member == "iban"


def test_a_sealed_value_opens_for_its_own_row_only() -> None:
    sealed = vault.seal({"iban": "DE89"}, owner="pmt_1")
    assert vault.open_sealed(sealed, owner="pmt_1") == {"iban": "DE89"}
    assert vault.seal({"iban": "DE89"}, owner="pmt_1") != sealed
    for value, owner in (
        (sealed, "pmt_2"),
        (sealed[:-1] + bytes([sealed[-1] ^ 1]), "pmt_1"),
        (b"\x02" + sealed[1:], "pmt_1"),
    ):
        with pytest.raises(vault.CannotOpen):
            vault.open_sealed(value, owner=owner)


def test_keys_rotate(settings: Settings) -> None:
    old = settings.VAULT_KEYS
    sealed = vault.seal({"iban": "DE89"}, owner="pmt_1")
    settings.VAULT_KEYS = [base64.b64encode(b"n" * 32).decode(), *old]
    assert vault.open_sealed(sealed, owner="pmt_1") == {"iban": "DE89"}
    renewed = vault.seal({"iban": "DE89"}, owner="pmt_1")
    settings.VAULT_KEYS = old
    with pytest.raises(vault.CannotOpen):
        vault.open_sealed(renewed, owner="pmt_1")


def test_the_most_exact_rail_wins(settings: Settings) -> None:
    settings.PAYOUT_RAILS = {"iban:EUR:DE": "here", "iban:EUR:*": "there", "iban:*:*": "anywhere"}
    assert registry.route(method_type="iban", currency="EUR", country="DE") == "here"
    assert registry.route(method_type="iban", currency="EUR", country="FR") == "there"
    assert registry.route(method_type="iban", currency="GBP", country="GB") == "anywhere"
    assert registry.route(method_type="us_bank", currency="USD", country="US") is None
    with pytest.raises(registry.UnknownProvider):
        registry.provider("here")


def test_accounts_of_different_owners_have_different_names() -> None:
    keys = [
        accounts.payable(7, "USD"),
        accounts.payable(7, "EUR"),
        accounts.payable(7, "USD", sandbox=True),
        accounts.holdback(7, "USD"),
        accounts.lab_prepaid(7, "USD"),
        accounts.lab_reserved(7, "rsv_1", "USD"),
        accounts.lab_receivable(7, "USD"),
        accounts.cash("sandbox", "USD"),
        accounts.transit("sandbox", "USD"),
        accounts.fee_income("USD"),
        accounts.fee_income("USD", sandbox=True),
        accounts.expense("bonus", "USD"),
    ]
    assert len({key.text for key in keys}) == len(keys)
    assert accounts.payable(7, "USD").text == "expert_payable:7:USD"


def test_a_process_without_a_key_for_the_vault_does_not_start(settings: Settings) -> None:
    assert the_vault_has_a_key() == []
    for wrong in ([], ["c2hvcnQ="], ["no base64!"], [*settings.VAULT_KEYS, ""]):
        settings.VAULT_KEYS = wrong
        assert [found.id for found in the_vault_has_a_key()] == ["payments.E001"], wrong
