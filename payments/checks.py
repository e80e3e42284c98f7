"""System checks: a process that could not read where people are paid, or not pay them, does not start."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004  # Django's name

from core.money import EXPONENTS
from payments import bank_holidays, payout_details
from payments.calendar import PaySchedule
from payments.operations.bank import bank_files
from payments.operations.pay import referrals
from payments.providers import bank_channel, pain001, registry, sepa_file, stripe_client
from payments.providers.port import Capability, Host

KEY_BYTES = 32
MOST_ARRIVAL_DAYS = 10
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)


@register()
def the_vault_has_a_key(**_options: Any) -> list[CheckMessage]:
    """VAULT_KEYS holds at least one key, and all are of the right length."""
    if settings.VAULT_KEYS and all(_is_key(text) for text in settings.VAULT_KEYS):
        return []
    hint = "VAULT_KEYS is a comma-separated list of base64 keys of 32 bytes: openssl rand -base64 32"
    return [Error("Bank and tax details and second factors cannot be encrypted.", id="payments.E001", hint=hint)]


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == KEY_BYTES
    except binascii.Error:
        return False


@register()
def rails_name_providers(**_options: Any) -> list[CheckMessage]:
    """Every provider can be loaded, and every rail names a known provider that can pay to methods of its type."""
    findings: list[CheckMessage] = []
    for name in settings.PAYOUT_PROVIDERS:
        findings += _unloadable(name)
    for line, name in settings.PAYOUT_RAILS.items():
        findings += [
            Error(f"PAYOUT_RAILS: {line}={name}: {fault}", id="payments.E002") for fault in _faults(line, name)
        ]
    return findings


def _unloadable(name: str) -> list[CheckMessage]:
    try:
        loaded = registry.provider(name)
    except ImportError as error:
        return [Error(f"PAYOUT_PROVIDERS: {name} cannot be loaded: {error}", id="payments.E003")]
    if loaded.name != name:
        return [Error(f"PAYOUT_PROVIDERS: {name} calls itself {loaded.name}.", id="payments.E003")]
    if (Capability.ACCOUNTS in loaded.capabilities) != isinstance(loaded, Host):
        return [Error(f"PAYOUT_PROVIDERS: {name} does not have the capabilities it names.", id="payments.E003")]
    return []


def _faults(line: str, name: str) -> Iterator[str]:
    try:
        rail = registry.Rail.read(line, name)
    except ValueError:
        yield "expected type:currency:country=provider, with * for any currency or country."
        return
    if rail.method_type not in payout_details.FIELDS:
        yield f"there is no type of payout method {rail.method_type}."
    if rail.currency != registry.ANYWHERE and not _CURRENCY.fullmatch(rail.currency):
        yield f"{rail.currency} is no currency code."
    if rail.country != registry.ANYWHERE and not _COUNTRY.fullmatch(rail.country):
        yield f"{rail.country} is no country code."
    if name not in settings.PAYOUT_PROVIDERS:
        yield f"there is no provider {name}; PAYOUT_PROVIDERS has {', '.join(sorted(settings.PAYOUT_PROVIDERS))}."
        return
    yield from _faults_of_provider(rail, name)


def _faults_of_provider(rail: registry.Rail, name: str) -> Iterator[str]:
    try:
        chosen = registry.provider(name)
    except ImportError:
        return
    if rail.method_type in payout_details.FIELDS and rail.method_type not in chosen.method_types:
        yield f"{name} cannot pay to {rail.method_type}."
    if rail.currency != registry.ANYWHERE and not chosen.takes(rail.currency):
        yield f"{name} does not pay in {rail.currency}."


@register()
def stripe_has_its_secrets(**_options: Any) -> list[CheckMessage]:
    """Who is routed to Stripe can be paid there, and Stripe can tell us what became of it."""
    if "stripe_connect" not in settings.PAYOUT_RAILS.values():
        return []
    missing = [name for name in ("STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRETS") if not getattr(settings, name)]
    return [Error(f"PAYOUT_RAILS names stripe_connect, and {name} is not set.", id="payments.E004") for name in missing]


@register()
def play_money_stays_apart(**_options: Any) -> list[CheckMessage]:
    """No real money in development, where clocks move and people are made up; no play money for people who work."""
    is_live = stripe_client.is_live()
    if settings.DEVELOPMENT:
        fault = "STRIPE_API_KEY is a live key, and this is development mode: it would move real money."
        return [Error(fault, id="payments.E006", hint="Use a test key.")] if is_live else []
    used = settings.PAYOUT_RAILS.values()
    faults = ["PAYOUT_RAILS pays by the sandbox provider, which moves no money."] if "sandbox" in used else []
    if "stripe_connect" in used and settings.STRIPE_API_KEY and not is_live:
        faults.append("STRIPE_API_KEY is no live key: Stripe's test mode moves no money.")
    return [Warning(fault, id="payments.W001") for fault in faults]


@register()
def labs_pay_where_payouts_leave(**_options: Any) -> list[CheckMessage]:
    """Where one bank account takes and pays, both sides of the books call it by one name."""
    if sepa_file.NAME not in settings.PAYOUT_RAILS.values() or settings.FUNDING_PROVIDER == sepa_file.NAME:
        return []
    text = f"Payouts leave the account {sepa_file.NAME}, and labs' payments are booked to {settings.FUNDING_PROVIDER}."
    hint = f"Set FUNDING_PROVIDER={sepa_file.NAME} if labs pay into the account that pays; else ignore this."
    return [Warning(text, id="payments.W002", hint=hint)]


@register()
def the_bank_account_can_pay(**_options: Any) -> list[CheckMessage]:
    """Where a rail pays by file, the paying account, the version of the files and their channel are set."""
    if sepa_file.NAME not in settings.PAYOUT_RAILS.values():
        return []
    faults = [f"BANK_ACCOUNT: {problem}" for problem in bank_files.debtor().problems()]
    if settings.BANK_PAIN001_VERSION not in pain001.VERSIONS:
        faults.append(f"BANK_PAIN001_VERSION: one of {', '.join(pain001.VERSIONS)}.")
    try:
        bank_channel.channel()
    except ImportError as error:
        faults.append(f"BANK_CHANNEL cannot be loaded: {error}")
    return [Error(fault, id="payments.E005", hint="See docs/operations.md, paying by bank file.") for fault in faults]


@register()
def the_pay_calendar_can_be_read(**_options: Any) -> list[CheckMessage]:
    """Everybody's payday follows from settings: one that cannot be read would move it silently, or break every page."""
    return [Error(fault, id="payments.E007") for fault in (*_schedule_faults(), *_closing_faults(), *_arrival_faults())]


def _schedule_faults() -> Iterator[str]:
    if "*" not in settings.PAY_SCHEDULES:
        yield 'PAY_SCHEDULES has no line "*" for all other currencies.'
    for currency, line in settings.PAY_SCHEDULES.items():
        try:
            PaySchedule(*line)
        except (TypeError, ValueError) as error:
            yield f"PAY_SCHEDULES: {currency}: {error}"


def _closing_faults() -> Iterator[str]:
    for currency, system in settings.PAY_CLOSED.items():
        if system and system not in bank_holidays.SYSTEMS:
            yield f"PAY_CLOSED: {currency}: one of {', '.join(sorted(bank_holidays.SYSTEMS))}, not {system}."
    for day in settings.PAY_CLOSED_DAYS:
        try:
            dt.date.fromisoformat(day)
        except ValueError:
            yield f"PAY_CLOSED_DAYS: {day} is no ISO date."


def _arrival_faults() -> Iterator[str]:
    for currency, days in settings.PAY_ARRIVAL_DAYS.items():
        if not 0 <= days <= MOST_ARRIVAL_DAYS:
            yield f"PAY_ARRIVAL_DAYS: {currency}: 0 to {MOST_ARRIVAL_DAYS} banking days."


@register()
def amounts_name_their_currencies(**_options: Any) -> list[CheckMessage]:
    """A threshold of a currency that is misspelt would hold for nobody; a programme that cannot be read, for all."""
    return [Error(fault, id="payments.E008") for fault in (*_amount_faults(), *_programme_faults())]


def _amount_faults() -> Iterator[str]:
    for name in ("ADJUSTMENT_FOUR_EYES_MINOR", "REFUND_ALONE_MINOR", "PAYOUT_MINIMUM_MINOR"):
        for currency, minor in getattr(settings, name).items():
            if currency not in EXPONENTS and (currency != "*" or name == "PAYOUT_MINIMUM_MINOR"):
                yield f"{name}: {currency} is no currency code."
            if minor < 0:
                yield f"{name}: {currency}: expected minor units from 0, not {minor}."


def _programme_faults() -> Iterator[str]:
    for row in settings.REFERRAL_PROGRAMME:
        try:
            referrals.terms_of(row)
            dt.date.fromisoformat(row["from"])
        except (KeyError, TypeError, ValueError) as error:
            yield f"REFERRAL_PROGRAMME: {row}: {type(error).__name__}: {error}"
