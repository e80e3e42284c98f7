"""Public ids: a noun prefix and a UUID in 26 characters, `prj_01k3x…`.

Ids are UUIDv7, so that they sort by creation and index well, except where the
creation time would give something away: tasks, submissions, claims and
pseudonyms are UUIDv4, since a gold task made later than its neighbours would be
found by its id alone.

The UUID is written in Crockford's base32 (lower case, no i, l, o, u): 26
characters instead of 32 hexadecimal digits, in the same sort order. One id has
one spelling: upper case and Crockford's aliases are refused, so ids may be
compared as text.
"""

from __future__ import annotations

import re
import secrets
import time
import uuid
from typing import Final

ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
ENCODED_LENGTH: Final = 26
LONGEST_PREFIX: Final = 8
# The longest text `new_id` makes: prefix, underscore, 26 characters.
LONGEST_ID: Final = LONGEST_PREFIX + 1 + ENCODED_LENGTH

_VALUES: Final = {symbol: value for value, symbol in enumerate(ALPHABET)}
_PREFIX = re.compile(rf"[a-z][a-z0-9]{{1,{LONGEST_PREFIX - 1}}}", re.ASCII)
_KNOWN_VERSIONS: Final = (4, 7)


class MalformedId(ValueError):
    """The text is not a public id of the expected noun."""


def uuid7() -> uuid.UUID:
    """A time-ordered UUID of RFC 9562: 48 bits of Unix milliseconds, 74 random bits.

    Reads the machine's clock, not the movable one: ids order rows for indexes
    and say nothing about the domain's time.
    """
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (1 << 48) - 1) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0b11 << 62) | 0b10 << 62
    return uuid.UUID(int=value)


def new_id(prefix: str, *, random: bool = False) -> str:
    """A fresh public id; `random` hides the time of creation (UUIDv4)."""
    return format_id(prefix, uuid.uuid4() if random else uuid7())


def format_id(prefix: str, value: uuid.UUID) -> str:
    """Write `value` as a public id; ValueError when the prefix is not a short lower-case word."""
    if not _PREFIX.fullmatch(prefix):
        raise ValueError("An id prefix is 2 to 8 lower-case letters or digits.")
    number = value.int
    symbols = [ALPHABET[number >> shift & 31] for shift in range(125, -1, -5)]
    return f"{prefix}_{''.join(symbols)}"


def parse_id(text: str, prefix: str) -> uuid.UUID:
    """The UUID inside a public id of the noun `prefix`.

    Raises MalformedId for another noun, another length or alphabet, a number
    beyond 128 bits, or a UUID version this module never makes.
    """
    head, _, body = text.partition("_") if isinstance(text, str) else ("", "", "")
    if head != prefix or len(body) != ENCODED_LENGTH:
        raise MalformedId(f"Not an id of the form {prefix}_ and {ENCODED_LENGTH} characters.")
    number = 0
    for symbol in body:
        if symbol not in _VALUES:
            raise MalformedId("An id uses 0-9 and the lower-case letters without i, l, o, u.")
        number = number << 5 | _VALUES[symbol]
    if number >> 128:
        raise MalformedId("An id carries 128 bits; this one is larger.")
    value = uuid.UUID(int=number)
    if value.variant != uuid.RFC_4122 or value.version not in _KNOWN_VERSIONS:
        raise MalformedId("An id carries a UUID of version 4 or 7.")
    return value
