"""JSON as it crosses the wire: read strictly and quickly, written compactly.

orjson refuses NaN, infinities, lone surrogates, bad UTF-8 and bottomless nesting by itself. What it lets pass, and we do
not: duplicate names (the last one wins silently), integers beyond 64 bits (they become inexact floats), NUL characters
(PostgreSQL cannot store them) and nesting deeper than anything a person meant.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import orjson
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from core.durations import format_duration
from core.money import Money
from core.problems import FieldError, MalformedBody

DEEPEST: Final = 64
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NUMBER: Final = re.compile(rb"-?\d[\d.eE+-]*")
_SUSPICIOUS_NUMBER: Final = re.compile(rb"\d{19}")
_INTEGERS: Final = range(-(2**63), 2**63)


def dumps(value: Any, *, sort_keys: bool = False) -> bytes:
    """JSON bytes of plain values, datetimes (UTC `Z`), durations (ISO 8601), money, decimals and lazy translations."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_UTC_Z | (orjson.OPT_SORT_KEYS if sort_keys else 0))


def loads(raw: bytes) -> Any:
    """Read one JSON document. Raises MalformedBody naming what is wrong and where."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise MalformedBody(_("The body is not valid JSON: %(reason)s.") % {"reason": error}) from None
    outside_strings = _STRING.sub(b"", raw)
    if _SUSPICIOUS_NUMBER.search(outside_strings):
        _refuse_inexact_integers(outside_strings)
    if _count_members(value) != outside_strings.count(b":"):
        raise MalformedBody(_("An object in the body has the same name twice."))
    if b"\\u0000" in raw:
        _refuse_nul(value)
    return value


def load_lines(raw: bytes, *, member: str) -> list[Any]:
    """Read newline-delimited JSON; errors point to `/<member>/<index of the line>`. Blank lines are skipped."""
    values: list[Any] = []
    for line in raw.split(b"\n"):
        if not line.strip():
            continue
        try:
            values.append(loads(line))
        except MalformedBody as error:
            at = f"/{member}/{len(values)}"
            raise MalformedBody(
                _("Line %(number)s: %(reason)s") % {"number": len(values) + 1, "reason": error.detail},
                errors=[FieldError(at, "malformed_body", error.detail)],
            ) from None
    return values


def _plain(value: Any) -> Any:
    if isinstance(value, Promise | Decimal):
        return str(value)
    if isinstance(value, dt.timedelta):
        return format_duration(int(value.total_seconds()))
    if isinstance(value, Money):
        return value.as_json()
    raise TypeError(f"{type(value).__qualname__} has no JSON form here")


def _count_members(value: Any) -> int:
    """How many name-value pairs there are in all; refuses too deep nesting on the way."""
    members, pending = 0, [(value, 1)]
    while pending:
        node, depth = pending.pop()
        if isinstance(node, dict):
            members += len(node)
            children: Any = node.values()
        elif isinstance(node, list):
            children = node
        else:
            continue
        if depth > DEEPEST:
            raise MalformedBody(_("The body is nested more than %(depth)s levels deep.") % {"depth": DEEPEST})
        pending.extend((child, depth + 1) for child in children if isinstance(child, dict | list))
    return members


def _refuse_inexact_integers(outside_strings: bytes) -> None:
    for number in _NUMBER.findall(outside_strings):
        if number.lstrip(b"-").isdigit() and (len(number) > 20 or int(number) not in _INTEGERS):
            raise MalformedBody(_("An integer in the body does not fit into 64 bits."))


def _refuse_nul(value: Any) -> None:
    for pointer, text in _strings(value, ""):
        if "\x00" in text:
            detail = _("NUL characters are not accepted.")
            raise MalformedBody(detail, errors=[FieldError(pointer, "null_characters_not_allowed", detail)])


def _strings(value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    """Every string in the document, names included, with the JSON pointer of where it stands."""
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _strings(child, f"{pointer}/{index}")
    elif isinstance(value, dict):
        for name, child in value.items():
            yield pointer, name
            yield from _strings(child, f"{pointer}/{escape(name)}")


def escape(name: str) -> str:
    """One reference token of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")
