"""Measurements for Prometheus; several processes share them when PROMETHEUS_MULTIPROC_DIR is set."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from django.db import DatabaseError
from django.http import HttpRequest
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from core.models import EventHandling, Operation

REQUESTS: Final = Counter("cadre_http_requests_total", "Answered requests.", ["method", "route", "status"])
SECONDS: Final = Histogram(
    "cadre_http_request_seconds",
    "Time to answer.",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Backlog(Collector):
    """What waits for a worker, asked of the database at each scrape; nothing while it is down."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Two numbers that should stay small."""
        try:
            due = EventHandling.objects.filter(done_at=None).count()
            unfinished = Operation.objects.filter(finished_at=None).count()
        except DatabaseError:
            return
        yield GaugeMetricFamily("cadre_outbox_due", "News that some subscriber has not handled yet.", due)
        yield GaugeMetricFamily("cadre_operations_open", "Long work that is not finished.", unfinished)


_BACKLOG: Final = CollectorRegistry()
_BACKLOG.register(Backlog())


def observe(request: HttpRequest, status: int, seconds: float) -> None:
    """Count one answered request by the pattern of its path, never by the path itself (ids would explode the labels)."""
    route = request.resolver_match.route if request.resolver_match else "unknown"
    method = request.method if request.method in _METHODS else "OTHER"
    REQUESTS.labels(method, route, str(status)).inc()
    SECONDS.labels(method, route).observe(seconds)


def exposition() -> bytes:
    """All measurements in Prometheus' text format."""
    requests = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        requests = CollectorRegistry()
        multiprocess.MultiProcessCollector(requests)
    return generate_latest(requests) + generate_latest(_BACKLOG)
