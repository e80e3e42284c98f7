"""Around every request: its id, its history context, its measurements, and problem documents for what views cannot see."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import pghistory
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from core.api import errors, limits, metrics
from core.problems import DomainError, RateLimited

REQUEST_ID: Final = "X-Request-ID"
_META: Final = "HTTP_X_REQUEST_ID"
_ACCEPTABLE: Final = re.compile(r"[A-Za-z0-9._-]{8,128}")
_LOGIN_PATHS: Final = ("/accounts/", "/_allauth/")
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class EdgeMiddleware:
    """Stands first, so that logs, history and answers all carry the same request id.

    A caller may send `X-Request-ID`; one that does not look like an id is replaced rather than logged.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Name the request, pass it on, and mark the answer."""
        request_id = request.META.get(_META, "")
        if not _ACCEPTABLE.fullmatch(request_id):
            request_id = uuid.uuid4().hex
            request.META[_META] = request_id
        started = time.perf_counter()
        with _history(request, request_id):
            response = self.get_response(request)
        metrics.observe(request, response.status_code, time.perf_counter() - started)
        response[REQUEST_ID] = request_id
        if errors.is_api(request):
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """What fails around a view, above all at the commit: a deferred constraint, a lost database."""
        if not errors.is_api(request):
            return None
        error = errors.as_domain_error(exception)
        return errors.problem_response(error, request) if error is not None else None


class LoginLimitMiddleware:
    """Counts log-in attempts by address, before allauth sees them, with the atomic limit of the API.

    allauth counts by account as well; its counters read and write in two steps, so a burst slips through them.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass on, or answer 429 (503 while nobody can count)."""
        if request.method != "POST" or not request.path.startswith(_LOGIN_PATHS):
            return self.get_response(request)
        try:
            verdict = limits.take("login", f"ip:{limits.address_of(request)}")
            if verdict is not None and not verdict.allowed:
                raise RateLimited(retry_after=verdict.retry_after)
        except DomainError as error:
            return errors.problem_response(error, request)
        return self.get_response(request)


def _history(request: HttpRequest, request_id: str) -> AbstractContextManager[Any]:
    """The history context of a request that may change something; whoever authenticates adds the actor."""
    if request.method in _SAFE:
        return nullcontext()
    context: AbstractContextManager[Any] = pghistory.context(request_id=request_id, url=request.path)
    return context
