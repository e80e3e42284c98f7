"""Rate limits at the edge: whom to count, what to answer."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request

from core import ratelimit
from core.api.errors import RETRY_AFTER_SECONDS
from core.problems import Unavailable


def take(policy: str, caller: str) -> ratelimit.Verdict | None:
    """Count one request; None when nobody counts. Raises Unavailable when a closed policy cannot be asked."""
    try:
        return ratelimit.take(ratelimit.policy(policy), caller)
    except ratelimit.LimiterUnavailable:
        raise Unavailable(retry_after=RETRY_AFTER_SECONDS) from None


def headers(verdict: ratelimit.Verdict) -> dict[str, str]:
    """What the caller is told of his limit."""
    return {
        "RateLimit-Limit": str(verdict.limit),
        "RateLimit-Remaining": str(verdict.remaining),
        "RateLimit-Reset": str(verdict.reset),
    }


def address_of(request: HttpRequest | Request) -> str:
    """The caller's address; behind our own proxy the last one it appended, never what the caller wrote himself."""
    forwarded: str = request.META.get("HTTP_X_FORWARDED_FOR", "") if settings.TRUST_PROXY else ""
    address: str = forwarded.rsplit(",", 1)[-1].strip() or request.META.get("REMOTE_ADDR", "")
    return address
