"""A process without a key for bank and tax details does not start."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from typing import Final

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from payments import checks
from tests.payments.explained_world import PROGRAMME

GOOD = base64.b64encode(bytes(range(32))).decode()


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ([], ["payments.E001"]),
        ([GOOD], []),
        ([GOOD, base64.b64encode(b"too short").decode()], ["payments.E001"]),
        (["not base64!"], ["payments.E001"]),
    ],
)
def test_vault_keys_are_checked(settings: Settings, keys: list[str], found: list[str]) -> None:
    settings.VAULT_KEYS = keys
    assert [message.id for message in run_checks() if str(message.id).startswith("payments.")] == found


@pytest.mark.parametrize(
    ("line", "name", "said"),
    [
        ("iban:EUR:*", "sandbox", ""),
        ("iban:*:DE", "sandbox", ""),
        ("iban:EUR:*", "sepa", "there is no provider sepa"),
        ("iban:EUR", "sandbox", "expected type:currency:country"),
        ("cheque:EUR:*", "sandbox", "no type of payout method cheque"),
        ("iban:euro:*", "sandbox", "euro is no currency"),
        ("iban:EUR:Germany", "sandbox", "Germany is no country"),
        ("iban:USD:*", "sepa_file", "sepa_file does not pay in USD"),
        ("stripe_account:ISK:*", "stripe_connect", "stripe_connect does not pay in ISK"),
    ],
)
def test_a_rail_that_leads_nowhere_stops_the_start(settings: Settings, line: str, name: str, said: str) -> None:
    settings.PAYOUT_RAILS = {line: name}
    found = [str(message.msg) for message in run_checks() if message.id == "payments.E002"]
    assert len(found) == (1 if said else 0)
    assert all(line in text and said in text for text in found)


@pytest.mark.parametrize("path", ["payments.providers.nowhere.Provider", "payments.providers.sandbox.Nothing"])
def test_a_provider_that_cannot_be_loaded_stops_the_start(settings: Settings, path: str) -> None:
    settings.PAYOUT_PROVIDERS = {**settings.PAYOUT_PROVIDERS, "ghost": path}
    found = [str(message.msg) for message in run_checks() if message.id == "payments.E003"]
    assert len(found) == 1
    assert "ghost" in found[0]


def test_a_provider_answers_to_its_own_name(settings: Settings) -> None:
    settings.PAYOUT_PROVIDERS = {
        "sandbox": "payments.providers.sandbox.SandboxProvider",
        "other": "payments.providers.sandbox.SandboxProvider",
    }
    assert [message.id for message in run_checks() if str(message.id).startswith("payments.")] == ["payments.E003"]


LIVE, TEST = "sk_live_1", "sk_test_1"


@pytest.mark.parametrize(
    ("development", "rail", "key", "found"),
    [
        (True, "sandbox", "", []),
        (True, "stripe_connect", TEST, []),
        (True, "stripe_connect", LIVE, ["payments.E006"]),
        (False, "stripe_connect", LIVE, []),
        (False, "stripe_connect", TEST, ["payments.W001"]),
        (False, "sandbox", "", ["payments.W001"]),
    ],
)
def test_play_money_and_real_money_stay_apart(
    settings: Settings, development: bool, rail: str, key: str, found: list[str]
) -> None:
    settings.DEVELOPMENT, settings.PAYOUT_RAILS, settings.STRIPE_API_KEY = development, {"*:USD:*": rail}, key
    assert [one.id for one in checks.play_money_stays_apart()] == found


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ADJUSTMENT_FOUR_EYES_MINOR", {"USD": 50_000, "*": 0}, []),
        ("ADJUSTMENT_FOUR_EYES_MINOR", {"USDD": 1}, ["USDD is no currency code"]),
        ("REFUND_ALONE_MINOR", {"EUR": -1}, ["from 0, not -1"]),
        ("PAYOUT_MINIMUM_MINOR", {"*": 100}, ["* is no currency code"]),
        ("REFERRAL_PROGRAMME", [], []),
        ("REFERRAL_PROGRAMME", [{"from": "2026-01-01"}], ["KeyError"]),
        ("REFERRAL_PROGRAMME", [{**PROGRAMME, "currency": "XXX"}, {**PROGRAMME, "from": "soon"}], ["XXX", "soon"]),
    ],
)
def test_amounts_that_cannot_be_read_are_named(settings: Settings, name: str, value: object, said: list[str]) -> None:
    setattr(settings, name, value)
    found = [message for message in checks.amounts_name_their_currencies() if message.id == "payments.E008"]
    assert len(found) == len(said)
    assert all(words in message.msg for words, message in zip(said, found, strict=True))


READ: Final = """
import json
from config.settings import books, pay
print(json.dumps([pay.ADJUSTMENT_FOUR_EYES_MINOR, books.REFUND_ALONE_MINOR, pay.PAYOUT_MINIMUM_MINOR,
                  pay.PAY_SCHEDULES, pay.REFERRAL_PROGRAMME]))
"""


def test_thresholds_schedules_and_the_programme_come_from_the_environment() -> None:
    given = {
        "ADJUSTMENT_FOUR_EYES_MINOR": "USD=50000,IDR=800000000",
        "REFUND_ALONE_MINOR": "EUR=1",
        "PAYOUT_MINIMUM_MINOR": "JPY=500",
        "PAY_SCHEDULES": "EUR=1:12:2",
        "REFERRAL_PROGRAMME": "[]",
    }

    def read(env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        where = {"PATH": os.environ["PATH"], "CADRE_MODE": "development", **env}
        return subprocess.run([sys.executable, "-c", READ], env=where, capture_output=True, text=True, check=False)

    assert json.loads(read(given).stdout) == [
        {"USD": 50_000, "IDR": 800_000_000},
        {"EUR": 1},
        {"JPY": 500},
        {"*": [0, 0, 2], "EUR": [1, 12, 2]},
        [],
    ]
    *amounts, schedules, programme = json.loads(read({}).stdout)
    assert (amounts, schedules) == ([{}, {}, {"USD": 100, "EUR": 100}], {"*": [0, 0, 2]})
    assert programme[0]["bonus_minor"] == 25_000
    assert "expected weekday:hour:days" in read({"PAY_SCHEDULES": "EUR=monday"}).stderr


@pytest.mark.parametrize(("funding", "found"), [("sepa_file", []), ("bank", ["payments.W002"])])
def test_an_account_that_takes_and_pays_has_one_name(settings: Settings, funding: str, found: list[str]) -> None:
    settings.PAYOUT_RAILS, settings.FUNDING_PROVIDER = {"iban:EUR:*": "sepa_file"}, funding
    assert [one.id for one in checks.labs_pay_where_payouts_leave()] == found


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PAY_SCHEDULES", {"EUR": (0, 0, 2)}, 'no line "*"'),
        ("PAY_SCHEDULES", {"*": (7, 0, 2)}, "weekday 0-6"),
        ("PAY_SCHEDULES", {"*": (0, 0)}, ""),
        ("PAY_CLOSED", {"EUR": "targte"}, "one of fedwire, target, not targte"),
        ("PAY_CLOSED_DAYS", ["24.12.2026"], "24.12.2026 is no ISO date"),
        ("PAY_ARRIVAL_DAYS", {"*": 11}, "0 to 10 banking days"),
    ],
)
def test_a_pay_calendar_that_cannot_be_read_is_named(settings: Settings, name: str, value: object, said: str) -> None:
    setattr(settings, name, value)
    found = [message.msg for message in checks.the_pay_calendar_can_be_read()]
    assert [said in text for text in found] == ([True] if said else [])
