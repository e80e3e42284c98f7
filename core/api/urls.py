"""Addresses of the kernel: operations, documents, the movable clock; and those outside the API."""

from __future__ import annotations

from django.conf import settings
from django.urls import URLPattern, path

from core.api import docs, health, problem_pages
from core.api.operations import AdvanceClock, ExpertOperationDetail, OperationDetail

lab_urlpatterns: list[URLPattern] = [
    path("operations/<str:operation_id>", OperationDetail.as_view()),
    path("schema/", docs.schema, name="api-schema"),
    path("docs/", docs.docs, name="api-docs"),
]
expert_urlpatterns: list[URLPattern] = [
    path("operations/<str:operation_id>", ExpertOperationDetail.as_view()),
]
if settings.CLOCK_MOVABLE:
    lab_urlpatterns.append(path("sandbox/clock/advance", AdvanceClock.as_view()))

site_urlpatterns: list[URLPattern] = [
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("metrics", health.metrics_view),
    path("problems/", problem_pages.index, name="problems"),
    path("problems/<slug:code>", problem_pages.page, name="problem"),
]
