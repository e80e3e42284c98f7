"""Bank and tax details and second factors are stored encrypted: AES-256-GCM under a master key that is not in the database.

A sealed value is a version byte, the position-independent id of its key, a nonce and the ciphertext. The row's public
id is authenticated with it, so that a value copied to another row does not open. The first key of the list seals;
the others still open what they sealed, so that keys can be rotated.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

_VERSION: Final = b"\x01"
_TEXT_MARK: Final = "sealed:"
_NONCE_BYTES: Final = 12
_KEY_ID_BYTES: Final = 4


class CannotOpen(RuntimeError):
    """The value was sealed under a key that is not configured, for another row, or was changed."""


def seal(plain: Mapping[str, str], *, owner: str) -> bytes:
    """Encrypt for the row whose public id is ``owner``."""
    key = _keys()[0]
    nonce = os.urandom(_NONCE_BYTES)
    body = json.dumps(dict(plain), sort_keys=True).encode()
    return _VERSION + _key_id(key) + nonce + AESGCM(key).encrypt(nonce, body, owner.encode())


def open_sealed(sealed: bytes, *, owner: str) -> dict[str, str]:
    """Decrypt; raises CannotOpen."""
    raw = bytes(sealed)
    key_id, rest = raw[1 : 1 + _KEY_ID_BYTES], raw[1 + _KEY_ID_BYTES :]
    for key in _keys():
        if _key_id(key) == key_id and raw[:1] == _VERSION:
            try:
                body = AESGCM(key).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], owner.encode())
            except InvalidTag:
                break
            opened: dict[str, str] = json.loads(body)
            return opened
    raise CannotOpen(f"The details of {owner} cannot be opened with the configured keys.")


def seal_text(plain: str, *, owner: str) -> str:
    """Encrypt one word for a place that holds text; it tells by its first letters that it is sealed."""
    return _TEXT_MARK + base64.b64encode(seal({"text": plain}, owner=owner)).decode()


def open_text(text: str, *, owner: str) -> str:
    """What ``seal_text`` was given; a text without its mark was never sealed. Raises CannotOpen."""
    if not text.startswith(_TEXT_MARK):
        return text
    return open_sealed(base64.b64decode(text.removeprefix(_TEXT_MARK)), owner=owner)["text"]


def _keys() -> list[bytes]:
    return [base64.b64decode(text) for text in settings.VAULT_KEYS]


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"cadre vault" + key).digest()[:_KEY_ID_BYTES]
