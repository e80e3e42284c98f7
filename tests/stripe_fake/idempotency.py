"""Idempotency keys as Stripe documents them.

The first request of a key is executed and its answer kept, success or error, 500 included. The same request again gets
that answer; another request (other endpoint or parameters) under the key is refused; while the first one runs, 409. What
never began to be executed (invalid parameters, rate limits, conflicts) is not kept. Keys are pruned after a day.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

DAY = 24 * 3600


class Refusal(Exception):
    """An answer with an error, in Stripe's form."""

    def __init__(self, status: int, kind: str, code: str = "", message: str = "", param: str = "") -> None:
        super().__init__(code or kind)
        self.status = status
        self.body: dict[str, Any] = {"error": {"type": kind, "message": message or code or kind}}
        self.body["error"] |= ({"code": code} if code else {}) | ({"param": param} if param else {})


@dataclass
class Answer:
    """What is sent back."""

    status: int
    body: dict[str, Any]
    is_replay: bool = False


@dataclass
class _Kept:
    endpoint: str
    params: Any
    at: float
    answer: Answer | None = None


class Keys:
    """What every key was used for."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], _Kept] = {}

    def once(self, scope: str, key: str, endpoint: str, params: Any, execute: Callable[[], Answer]) -> Answer:
        """Execute, or answer as before. Raises Refusal."""
        with self._lock:
            known = self._kept.get((scope, key))
            if known is not None and known.at <= self._now() - DAY:
                known = None
            if known is not None:
                return _again(known, endpoint, params)
            mine = self._kept[scope, key] = _Kept(endpoint, params, self._now())
        try:
            mine.answer = execute()
        except Refusal as refusal:
            mine.answer = Answer(refusal.status, refusal.body)
        except BaseException:
            with self._lock:
                del self._kept[scope, key]
            raise
        return mine.answer


def _again(known: _Kept, endpoint: str, params: Any) -> Answer:
    if known.endpoint != endpoint:
        text = "Keys for idempotent requests can only be used for the same endpoint they were first used for."
        raise Refusal(400, "idempotency_error", message=text)
    if known.params != params:
        text = "Keys for idempotent requests can only be used with the same parameters they were first used with."
        raise Refusal(400, "idempotency_error", message=text)
    if known.answer is None:
        raise Refusal(409, "invalid_request_error", "idempotency_key_in_use")
    return Answer(known.answer.status, known.answer.body, is_replay=True)
