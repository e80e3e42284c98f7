"""Keys for machines: made, recognised, rotated and revoked. The secret is shown once and never stored.

A secret is its prefix, 32 random bytes and a checksum: `cadre_live_` + 43 + 6 characters of base 62. The checksum lets
a mistyped or invented key be refused before the database is asked, and lets secret scanners be sure.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import secrets
import string
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core.models import AccessToken, Tenant, User
from core.problems import Conflict

LIVE, TEST, EXPERT = "cadre_live_", "cadre_test_", "cadre_exp_"
ROTATION_OVERLAP: Final = dt.timedelta(hours=24)
SHOWN_CHARACTERS: Final = 4
_ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BODY_LENGTH: Final = 43
_CHECKSUM_LENGTH: Final = 6
_SHAPE: Final = re.compile(
    rf"(cadre_(?:live|test|exp)_)([0-9A-Za-z]{{{_BODY_LENGTH}}})([0-9A-Za-z]{{{_CHECKSUM_LENGTH}}})"
)


class TokenRevoked(Conflict):
    """The key was revoked, rotated or has expired: it can be neither rotated nor revoked again. Make a new one."""

    code = "token_revoked"


@dataclass(frozen=True, slots=True)
class Minted:
    """A new key with its secret, which exists nowhere else."""

    token: AccessToken
    secret: str


def mint_lab_key(
    *, tenant: Tenant, name: str, scopes: Sequence[str], user: User | None = None, expires_at: dt.datetime | None = None
) -> Minted:
    """A key that reaches one tenant: `cadre_test_…` for a sandbox, else `cadre_live_…`."""
    secret = _new_secret(TEST if tenant.is_sandbox else LIVE)
    token = AccessToken.objects.create(
        kind=AccessToken.Kind.LAB,
        name=name,
        prefix=_shown(secret),
        digest=digest_of(secret),
        scopes=sorted(set(scopes)),
        tenant=tenant,
        user=user,
        expires_at=expires_at,
    )
    return Minted(token, secret)


def mint_expert_token(*, user: User, name: str, expires_at: dt.datetime | None = None) -> Minted:
    """A personal token of an expert: it may do what he may do in the browser."""
    secret = _new_secret(EXPERT)
    token = AccessToken.objects.create(
        kind=AccessToken.Kind.EXPERT,
        name=name,
        prefix=_shown(secret),
        digest=digest_of(secret),
        user=user,
        expires_at=expires_at,
    )
    return Minted(token, secret)


def rotate(*, token: AccessToken, now: dt.datetime, overlap: dt.timedelta = ROTATION_OVERLAP) -> Minted:
    """A new key with the same rights; the old one works for `overlap` longer, and is not rotated again.

    Raises TokenRevoked.
    """
    locked = _lock(token, now=now)
    if locked.revoked_at is not None:
        raise TokenRevoked
    secret = _new_secret(_SHAPE_PREFIX.match(locked.prefix)[0])  # type: ignore[index]  # every stored prefix begins with one
    fresh = AccessToken.objects.create(
        kind=locked.kind,
        name=locked.name,
        prefix=_shown(secret),
        digest=digest_of(secret),
        scopes=locked.scopes,
        tenant_id=locked.tenant_id,
        user_id=locked.user_id,
        expires_at=locked.expires_at,
    )
    locked.revoked_at = now + overlap
    locked.save(update_fields=["revoked_at"])
    return Minted(fresh, secret)


def revoke(*, token: AccessToken, now: dt.datetime) -> AccessToken:
    """End a key at once. Raises TokenRevoked when it had ended before."""
    locked = _lock(token, now=now)
    locked.revoked_at = now
    locked.save(update_fields=["revoked_at"])
    return locked


def is_well_formed(secret: str) -> bool:
    """Whether the text has the shape of a key and its checksum holds; says nothing about its existence."""
    match = _SHAPE.fullmatch(secret)
    return match is not None and secrets.compare_digest(_checksum(match[1] + match[2]), match[3])


def digest_of(secret: str) -> str:
    """What is stored of a key. A plain hash is enough for 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


_SHAPE_PREFIX: Final = re.compile(r"cadre_(?:live|test|exp)_")


def _lock(token: AccessToken, *, now: dt.datetime) -> AccessToken:
    locked = AccessToken.objects.select_for_update(no_key=True, of=("self",)).get(pk=token.pk)
    if not locked.is_usable(now=now):
        raise TokenRevoked
    return locked


def _new_secret(prefix: str) -> str:
    body = _base62(int.from_bytes(secrets.token_bytes(32)), _BODY_LENGTH)
    return prefix + body + _checksum(prefix + body)


def _shown(secret: str) -> str:
    match = _SHAPE.fullmatch(secret)
    if match is None:
        raise ValueError("not a key")
    return match[1] + match[2][:SHOWN_CHARACTERS]


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode()), _CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 62)
        digits = _ALPHABET[rest] + digits
    return digits.rjust(length, _ALPHABET[0])
