"""The OpenAPI document and its rendered form, both served by ourselves: no browser is sent to a third party."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator

from core.api import wire

OPENAPI_TYPE: Final = "application/vnd.oai.openapi+json"
CACHE_SECONDS: Final = 300


@lru_cache(maxsize=1)
def document() -> bytes:
    """The document as JSON; it depends on the code only, so one process builds it once."""
    generator: Any = SchemaGenerator()
    return wire.dumps(generator.get_schema(request=None, public=True))


@transaction.non_atomic_requests
@require_safe
def schema(_request: HttpRequest) -> HttpResponse:
    """`/api/v1/schema/`."""
    response = HttpResponse(document(), content_type=OPENAPI_TYPE)
    response["Content-Disposition"] = 'inline; filename="cadre-openapi.json"'
    response["Cache-Control"] = f"public, max-age={CACHE_SECONDS}"
    return response


@transaction.non_atomic_requests
@csp_update({"style-src": [SELF, UNSAFE_INLINE], "img-src": [SELF, "data:"]})
@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """`/api/v1/docs/`: Swagger UI from our own static files; it sets styles on elements, hence the wider policy."""
    return render(request, "core/api_docs.html")
