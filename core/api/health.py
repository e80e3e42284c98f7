"""For load balancers and monitoring: alive, ready, measurements. Outside the API, without credentials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST
from redis import Redis
from redis.exceptions import RedisError

from core.api import metrics

PATIENCE_SECONDS: Final = 2


@transaction.non_atomic_requests
@never_cache
@require_safe
def livez(_request: HttpRequest) -> HttpResponse:
    """The process answers; says nothing about what it needs."""
    return JsonResponse({"status": "ok"})


@transaction.non_atomic_requests
@never_cache
@require_safe
def readyz(_request: HttpRequest) -> HttpResponse:
    """Database and broker answer; 503 names the one that does not."""
    parts = {"database": _works(_ask_database), "broker": _works(_ask_broker)}
    ready = all(parts.values())
    words = {name: "ok" if works else "down" for name, works in parts.items()}
    return JsonResponse({"status": "ok" if ready else "unavailable", **words}, status=200 if ready else 503)


@transaction.non_atomic_requests
@never_cache
@require_safe
def metrics_view(request: HttpRequest) -> HttpResponse:
    """Prometheus' text format; behind METRICS_TOKEN. Without one it is there in development alone."""
    if not settings.METRICS_TOKEN and not settings.METRICS_OPEN:
        return HttpResponse("Set METRICS_TOKEN to have measurements.\n", status=404, content_type="text/plain")
    expected = f"Bearer {settings.METRICS_TOKEN}"
    if settings.METRICS_TOKEN and not constant_time_compare(request.headers.get("Authorization", ""), expected):
        return HttpResponse("A bearer token is needed.\n", status=401, headers={"WWW-Authenticate": "Bearer"})
    return HttpResponse(metrics.exposition(), content_type=CONTENT_TYPE_LATEST)


def _works(ask: Callable[[], None]) -> bool:
    try:
        ask()
    except (DatabaseError, RedisError):
        return False
    return True


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_broker() -> None:
    client = Redis.from_url(
        settings.REDIS_URL, socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS
    )
    try:
        client.ping()
    finally:
        client.close()
