"""The sandbox provider: an institution of its own, with its own books, that can be told to misbehave.

It keeps its books over a connection of its own and commits every step at once, so what it did survives our rollback,
our kill -9 and our second thoughts, as at a bank. A key is executed at most once, and the same key with another
request not at all; after a day the key is forgotten, and would be executed again. Faults are rows (`ProviderFault`),
for one account or for all, each a number of times.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Final

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections

from core import ids
from payments import payout_details
from payments.providers.port import (
    Answer,
    Capability,
    InvalidSignature,
    Movement,
    Order,
    ProviderEvent,
    Settled,
    Standing,
    Verdict,
)

RETURNS_AFTER: Final = dt.timedelta(days=3)
PAGE: Final = 500

_FORGET = """
    UPDATE payments_providermovement SET is_forgotten = true
    WHERE idem_key = %s AND NOT is_forgotten AND created_at <= %s
"""

_FIND = """
    UPDATE payments_providermovement SET deliveries = deliveries + 1 WHERE idem_key = %s AND NOT is_forgotten
    RETURNING state, movement_id, code, request_hash
"""

_EXECUTE = """
    INSERT INTO payments_providermovement (idem_key, reference, movement_id, account, amount_minor, currency,
        request_hash, state, fate, code, is_forgotten, deliveries, settles_at, changed_at, created_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, false, 1, %s, %s, %s)
    ON CONFLICT (idem_key) WHERE NOT is_forgotten DO UPDATE SET deliveries = payments_providermovement.deliveries + 1
    RETURNING state, movement_id, code, request_hash
"""

_TAKE_FAULT = """
    UPDATE payments_providerfault SET remaining = remaining - 1 WHERE id = (
        SELECT id FROM payments_providerfault WHERE account IN (%s, '*') AND remaining > 0
        ORDER BY account = '*', id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING type, code
"""

_SETTLE = """
    UPDATE payments_providermovement SET
        state = CASE WHEN state = 'paid' THEN 'returned' WHEN fate = 'failed' THEN 'failed' ELSE 'paid' END,
        settles_at = CASE WHEN state = 'accepted' AND fate = 'returned' THEN settles_at + %s END,
        changed_at = settles_at
    WHERE settles_at <= %s
"""

_CANCEL = """
    INSERT INTO payments_providermovement (idem_key, reference, movement_id, account, amount_minor, currency,
        request_hash, state, fate, code, is_forgotten, deliveries, changed_at, created_at)
    VALUES (%s, '', %s, '', 0, '', '', 'cancelled', 'paid', 'cancelled', false, 0, %s, %s)
    ON CONFLICT (idem_key) WHERE NOT is_forgotten DO UPDATE SET state = 'cancelled', code = 'cancelled'
        WHERE payments_providermovement.state = 'broken'
"""

_READ = "SELECT idem_key, state, movement_id, amount_minor, currency, code FROM payments_providermovement"

_LIST: Final = (
    _READ.replace("SELECT", "SELECT id,")
    + " WHERE changed_at >= %s AND id > %s AND state IN ('paid', 'failed', 'returned') ORDER BY id LIMIT %s"
)

_SILENT: Final = {"timeout_executed", "timeout_not_executed", "server_error", "cached_error"}
_EXECUTED: Final = {"timeout_executed", "late_failure", "return", "reject", "cached_error"}
_BUSY: Final = {"rate_limited", "key_in_use"}
_STATES: Final = {"reject": "rejected", "cached_error": "broken"}
_FATES: Final = {"late_failure": "failed", "return": "returned"}


class SandboxProvider:
    """See the module."""

    name: ClassVar[str] = "sandbox"
    method_types: ClassVar[frozenset[str]] = frozenset({"sandbox", "iban", "us_bank"})
    capabilities: ClassVar[frozenset[Capability]] = frozenset()
    key_window: ClassVar[dt.timedelta] = dt.timedelta(hours=24)
    quiet: ClassVar[dt.timedelta] = dt.timedelta(0)
    asked_together: ClassVar[int] = 100

    def takes(self, currency: str) -> bool:
        """Every one."""
        return True

    def submit(self, orders: Sequence[Order], *, now: dt.datetime) -> list[Answer]:
        """Execute each order once."""
        answers = []
        with _books() as books:
            for order in orders:
                time.sleep(settings.SANDBOX_PROVIDER_LATENCY)
                answers.append(_answer(books, order, now))
        return answers

    def lookup(self, keys: Iterable[str], *, now: dt.datetime) -> dict[str, Movement]:
        """What the books say, brought up to ``now``."""
        with _books() as books:
            books.execute(_SETTLE, [RETURNS_AFTER, now])
            books.execute(f"{_READ} WHERE idem_key = ANY(%s) AND state <> 'broken' ORDER BY id", [list(keys)])
            movements = [_movement(row) for row in books.fetchall()]
        return {movement.key: movement for movement in movements}

    def cancel(self, key: str, *, now: dt.datetime) -> Movement:
        """Bar the key, unless it was executed already."""
        with _books() as books:
            books.execute(_CANCEL, [key, ids.new_id("mov"), now, now])
            books.execute(f"{_READ} WHERE idem_key = %s AND NOT is_forgotten", [key])
            return _movement(books.fetchone())

    def settlements(self, *, since: dt.datetime, now: dt.datetime, after: str = "") -> list[Settled]:
        """Movements that were paid, failed or returned since then."""
        with _books() as books:
            books.execute(_SETTLE, [RETURNS_AFTER, now])
            books.execute(_LIST, [since, int(after or 0), PAGE])
            return [_settled(str(row[0]), _movement(row[1:])) for row in books.fetchall()]

    def parse_event(self, raw: bytes, headers: Mapping[str, str], *, now: dt.datetime) -> list[ProviderEvent]:
        """It sends none, so whatever comes is somebody else's."""
        raise InvalidSignature("The sandbox provider sends no events.")


@contextmanager
def _books() -> Iterator[Any]:
    """A cursor of the provider's own connection: every statement is committed by itself."""
    connection = connections.create_connection(DEFAULT_DB_ALIAS)
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def _answer(books: Any, order: Order, now: dt.datetime) -> Answer:
    books.execute(_FORGET, [order.key, now - SandboxProvider.key_window])
    books.execute(_FIND, [order.key])
    known = books.fetchone()
    if known:
        return _told(order, known)
    books.execute(_TAKE_FAULT, [_account(order)])
    fault, code = books.fetchone() or ("", "")
    if fault in _BUSY:
        return Answer(order.key, Verdict.LATER, code=fault)
    answer = _execute(books, order, fault, code, now) if not fault or fault in _EXECUTED else None
    if fault in _SILENT or answer is None:
        return Answer(order.key, Verdict.UNKNOWN, code=fault, detail="The provider gave no answer.")
    return answer


def _execute(books: Any, order: Order, fault: str, code: str, now: dt.datetime) -> Answer:
    state = _STATES.get(fault, "accepted")
    settles_at = None if state != "accepted" else now + dt.timedelta(seconds=settings.SANDBOX_PROVIDER_SETTLES_AFTER)
    books.execute(
        _EXECUTE,
        [
            *(order.key, order.reference, ids.new_id("mov"), _account(order), order.amount_minor, order.currency),
            *(order.request_hash, state, _FATES.get(fault, "paid"), code),
            *(settles_at, now, now),
        ],
    )
    return _told(order, books.fetchone())


def _told(order: Order, row: tuple[str, str, str, str]) -> Answer:
    state, movement_id, code, request_hash = row
    if state == "broken":
        return Answer(order.key, Verdict.UNKNOWN, code="server_error", detail="The provider gave no answer.")
    if state in {"rejected", "cancelled"}:
        return Answer(order.key, Verdict.REJECTED, code=code, detail=f"The provider refused the payout ({code}).")
    if request_hash != order.request_hash:
        return Answer(order.key, Verdict.UNKNOWN, code="key_mismatch", detail="The key was used for another request.")
    return Answer(order.key, Verdict.ACCEPTED, movement_id=movement_id)


def _account(order: Order) -> str:
    """What the books call the account: sandbox accounts by name, real ones never in full."""
    if order.method_type == "sandbox":
        return order.details["account"]
    return payout_details.masked(order.method_type, order.details)


def _settled(position: str, movement: Movement) -> Settled:
    return Settled(position, movement.key, lambda: movement)


def _movement(row: tuple[str, str, str, int, str, str]) -> Movement:
    key, state, movement_id, amount_minor, currency, code = row
    standing = Standing.IN_TRANSIT if state == "accepted" else Standing(state)
    return Movement(
        key=key,
        standing=standing,
        movement_id=movement_id,
        amount_minor=amount_minor,
        currency=currency,
        code=code if state in {"rejected", "failed", "returned", "cancelled"} else "",
    )
