"""System checks: a process that could not read where people are paid does not start."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

KEY_BYTES = 32


@register()
def the_vault_has_a_key(**_options: Any) -> list[CheckMessage]:
    """VAULT_KEYS holds at least one key, and all are of the right length."""
    if settings.VAULT_KEYS and all(_is_key(text) for text in settings.VAULT_KEYS):
        return []
    hint = "VAULT_KEYS is a comma-separated list of base64 keys of 32 bytes: openssl rand -base64 32"
    return [Error("Bank and tax details cannot be encrypted.", id="payments.E001", hint=hint)]


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == KEY_BYTES
    except binascii.Error:
        return False
