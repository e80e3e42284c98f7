"""One key, one effect: a repeated POST answers what the first one answered and does nothing.

The record is written in the transaction of the effect, so either both exist or neither. While the first request runs,
a repetition is told at once that it is in flight: an advisory try-lock says so, where `INSERT … ON CONFLICT` alone
would wait. Only successes are stored; a refused request changed nothing and may be sent again, corrected.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import orjson
from django.db import connection
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy as _

from core.models.idempotency import IdempotencyRecord
from core.principal import Principal
from core.problems import DomainError, FieldError
from core.unit_of_work import unit_of_work

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotent-Replayed"
KEPT_FOR: Final = dt.timedelta(days=7)
SWEEP_BATCH: Final = 5000
SWEEPER: Final = Principal.system("core.forget_idempotency_keys")
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")


class IdempotencyKeyRequired(DomainError):
    """This request moves money or time or is large, so it must carry an `Idempotency-Key` header.

    Choose a fresh random key (a UUID is fine) for each thing you want to happen once, and send the same key again
    whenever you repeat the request: after a time-out, for example.
    """

    code = "idempotency_key_required"
    status = 400
    title = _("An Idempotency-Key is needed")


class InvalidIdempotencyKey(DomainError):
    """An `Idempotency-Key` has 1 to 255 visible ASCII characters, without spaces."""

    code = "idempotency_key_invalid"
    status = 400
    title = _("The Idempotency-Key cannot be used")


class IdempotencyInFlight(DomainError):
    """A request with the same `Idempotency-Key` is being worked on right now.

    Wait for `retry_after` seconds and send the same request again: you will get the answer of the first one.
    """

    code = "idempotency_in_flight"
    status = 409
    title = _("The same request is being worked on")
    example_members: ClassVar[Mapping[str, Any]] = {"retry_after": 1}


class IdempotencyMismatch(DomainError):
    """This `Idempotency-Key` was used for another request: another path, method or body.

    A key belongs to one request for seven days. Choose a fresh key for a new request.
    """

    code = "idempotency_mismatch"
    status = 422
    title = _("The Idempotency-Key belongs to another request")


@dataclass(frozen=True, slots=True)
class Attempt:
    """A keyed request: whose, which, when; `secrets` are the members that a stored answer must not contain."""

    owner: str
    key: str
    method: str
    path: str
    digest: str
    now: dt.datetime
    secrets: Sequence[str] = ()


def read_key(header: str | None, *, required: bool) -> str:
    """The key of a request, or an empty string when none is sent and none is needed."""
    if header is None:
        if required:
            raise IdempotencyKeyRequired(errors=[FieldError(HEADER, "required", IdempotencyKeyRequired.title)])
        return ""
    if not _KEY.fullmatch(header):
        raise InvalidIdempotencyKey(errors=[FieldError(HEADER, "invalid", InvalidIdempotencyKey.title)])
    return header


def owner_of(principal: Principal) -> str:
    """Whose keys a caller uses: a lab's keys survive the rotation of its API key, a person's his devices."""
    if principal.tenant_id is not None:
        return f"tenant:{principal.tenant_id}"
    if principal.user_id is not None:
        return f"user:{principal.user_id}"
    return principal.label


def once(attempt: Attempt, respond: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """Answer as before if this request was answered before, else let `respond` do it and keep the answer.

    Must run in the transaction of the effect. Raises IdempotencyInFlight or IdempotencyMismatch.
    """
    if not _try_lock(attempt):
        raise IdempotencyInFlight(retry_after=1)
    record = IdempotencyRecord.objects.filter(owner=attempt.owner, key=attempt.key).first()
    if record is not None and record.expires_at > attempt.now:
        return _replay(record, attempt)
    response = respond()
    if 200 <= response.status_code < 300 and isinstance(response, HttpResponse):
        _keep(attempt, response)
    return response


def sweep(*, now: dt.datetime) -> int:
    """Forget expired answers, a batch in each unit of work; how many were forgotten."""
    forgotten = 0
    while True:
        with unit_of_work(SWEEPER):
            expired = IdempotencyRecord.objects.filter(expires_at__lte=now).order_by("pk").values("pk")[:SWEEP_BATCH]
            deleted, _by_model = IdempotencyRecord.objects.filter(pk__in=expired).delete()
        forgotten += deleted
        if deleted < SWEEP_BATCH:
            return forgotten


def lock_number(attempt: Attempt) -> int:
    """The advisory lock of an owner's key: 64 bits of a hash, as PostgreSQL wants it."""
    name = f"idempotency:{attempt.owner}:{attempt.key}".encode()
    return int.from_bytes(hashlib.sha256(name).digest()[:8], signed=True)


def _try_lock(attempt: Attempt) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [lock_number(attempt)])
        row = cursor.fetchone()
    return bool(row and row[0])


def _replay(record: IdempotencyRecord, attempt: Attempt) -> HttpResponse:
    same = (record.method, record.path, record.request_hash) == (attempt.method, attempt.path, attempt.digest)
    if not same:
        raise IdempotencyMismatch
    response = HttpResponse(bytes(record.body), status=record.status)
    if record.content_type:
        response["Content-Type"] = record.content_type
    if record.location:
        response["Location"] = record.location
    response[REPLAYED] = "true"
    return response


def _keep(attempt: Attempt, response: HttpResponse) -> None:
    """Insert the record, or replace an expired one; the advisory lock keeps others away."""
    answer = {
        "method": attempt.method,
        "path": attempt.path,
        "request_hash": attempt.digest,
        "status": response.status_code,
        "content_type": response.headers.get("Content-Type", ""),
        "location": response.headers.get("Location", ""),
        "body": _without_secrets(response.content, attempt.secrets),
        "created_at": attempt.now,
        "expires_at": attempt.now + KEPT_FOR,
    }
    IdempotencyRecord.objects.update_or_create(owner=attempt.owner, key=attempt.key, defaults=answer)


def _without_secrets(body: bytes, secrets: Sequence[str]) -> bytes:
    if not secrets:
        return body
    document = orjson.loads(body)
    return orjson.dumps({name: None if name in secrets else value for name, value in document.items()})
