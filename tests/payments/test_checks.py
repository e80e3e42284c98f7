"""A process without a key for bank and tax details does not start."""

from __future__ import annotations

import base64

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

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
