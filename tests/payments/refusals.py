"""Requests that have to be refused: with which status, code and pointers, and without a trace in any table of money."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from typing import Any

from django.apps import apps
from django.db import connection

from core.models import Event, IdempotencyRecord
from experts.public import Decision, Notice
from tests.payments.hours_world import MONDAY, Caller, platform

_keys = count(1)
FRESH = "\0"
"""Send a key that nobody used yet."""


@dataclass(frozen=True, slots=True)
class Bad:
    """One request and its refusal. `pointers` are those of all errors, parted by blanks; `key` "" sends none."""

    what: str
    path: str
    body: Any
    status: int
    code: str
    pointers: str = ""
    method: str = "POST"
    who: str = "lab"
    key: str = FRESH
    at: dt.datetime = MONDAY


@dataclass
class Refusals:
    """Sends requests as several callers, and keeps what went otherwise than it should."""

    callers: dict[str, Caller]
    wrong: list[str] = field(default_factory=list)

    def all(self, rows: Iterable[Bad]) -> None:
        """Every one of them is refused as it says, and leaves every table as it was."""
        for row in rows:
            before = fingerprint()
            key = f"fresh-{next(_keys)}" if row.key == FRESH else row.key
            answer = self.callers[row.who](row.method, row.path, row.body, at=row.at, key=key)
            told = answer.json()
            pointers = " ".join(sorted(error["pointer"] for error in told.get("errors", ())))
            seen, wanted = (answer.status_code, told.get("code"), pointers), (row.status, row.code, row.pointers)
            where = f"{row.who} {row.method} {row.path} — {row.what}"
            if seen != wanted:
                self.wrong.append(f"{where}: {seen}, not {wanted}")
            changed = {table for table, digest in fingerprint().items() if digest != before[table]}
            if changed:
                self.wrong.append(f"{where}: changed {sorted(changed)}")

    def once(self, path: str, body: Any, *, status: int, who: str = "lab", at: dt.datetime = MONDAY) -> Any:
        """It succeeds; the same again with its key is told the same and changes nothing, another body is refused."""
        key, caller = f"once-{next(_keys)}", self.callers[who]
        done = caller("POST", path, body, at=at, key=key)
        assert done.status_code == status, (path, done.content)
        before = fingerprint()
        again = caller("POST", path, body, at=at, key=key)
        if (again.json(), again.headers.get("Idempotent-Replayed")) != (done.json(), "true"):
            self.wrong.append(f"{who} POST {path}: repeated with its key, it was told {again.json()}")
        if fingerprint() != before:
            self.wrong.append(f"{who} POST {path}: repeated with its key, it did something")
        other = {**(body or {}), "another": "body"}
        self.all([Bad("its key with another body", path, other, 422, "idempotency_mismatch", who=who, key=key, at=at)])
        return done.json()

    def verdict(self) -> None:
        """Fail with everything that went wrong."""
        assert not self.wrong, "\n" + "\n".join(self.wrong)


def at_every_door(path: str, body: Any, *, who: str = "lab", at: dt.datetime = MONDAY) -> Iterator[Bad]:
    """What any POST that asks for a key refuses, whatever it is about."""
    key_needed = "idempotency_key_required"
    yield Bad("no key", path, body, 400, key_needed, "Idempotency-Key", who=who, key="", at=at)
    yield Bad(
        "a key with a blank", path, body, 400, "idempotency_key_invalid", "Idempotency-Key", "POST", who, "a b", at
    )
    yield Bad("a member too many", path, {**(body or {}), "x": 1}, 400, "invalid", "/x", who=who, at=at)
    if who == "lab":
        yield Bad("without the scope", path, body, 403, "permission_denied", who="reader", at=at)


def by_whom(path: str, body: dict[str, Any], *, at: dt.datetime = MONDAY) -> Iterator[Bad]:
    """Who cannot decide for the lab."""
    for what, who in (
        ("a stranger", "nobody@aurora.example"),
        ("nobody", " "),
        ("a reviewer", "reviewer@aurora.example"),
    ):
        yield Bad(f"decided by {what}", path, {**body, "decided_by": who}, 400, "invalid", "/decided_by", at=at)
    without = {name: value for name, value in body.items() if name != "decided_by"}
    yield Bad("without a decider", path, without, 400, "invalid", "/decided_by", at=at)


def money(amount: str, currency: str = "USD") -> dict[str, str]:
    """As it is sent."""
    return {"amount": amount, "currency": currency}


def wrong_amounts(
    path: str, place: Callable[[Any], Any], pointer: str, *, who: str = "lab", at: dt.datetime = MONDAY
) -> Iterator[Bad]:
    """Every amount that no door takes, put where `place` puts it."""
    for what, amount, member in (
        ("negative", money("-1.00"), "/amount"),
        ("zero", money("0.00"), "/amount"),
        ("a unit too large", money("10000000000000.01"), "/amount"),
        ("400 digits", money("9" * 400 + ".00"), "/amount"),
        ("a third decimal", money("1.000"), "/amount"),
        ("not a number", money("NaN"), "/amount"),
        ("an exponent", money("1e3"), "/amount"),
        ("no such currency", money("1.00", "XXX"), "/currency"),
        ("a bare number", 5, ""),
        ("a number for text", {"amount": 5, "currency": "USD"}, ""),
        ("no currency", {"amount": "5.00"}, ""),
        ("null", None, ""),
    ):
        yield Bad(what, path, place(amount), 400, "invalid", f"{pointer}{member}", who=who, at=at)


def fingerprint() -> dict[str, str]:
    """By table: a digest of all its rows. Money, its history, events, messages and remembered answers."""
    with platform(), connection.cursor() as cursor:
        cursor.execute(_query())
        return dict(cursor.fetchall())


@cache
def _query() -> str:
    beside: list[Any] = [Event, IdempotencyRecord, Notice, Decision]
    models = [*apps.get_app_config("payments").get_models(), *beside]
    tables = sorted({model._meta.db_table for model in models})
    return " UNION ALL ".join(
        f"SELECT '{table}', count(*) || coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {table} t"
        for table in tables
    )
