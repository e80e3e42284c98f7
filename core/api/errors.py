"""Everything that can go wrong in a request becomes an RFC 9457 problem document here, and nowhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import structlog
from django.core import exceptions as django_errors
from django.db import DatabaseError, DataError, IntegrityError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.encoding import escape_uri_path
from django.utils.translation import gettext as _
from django.views import defaults
from psycopg import errors as pg
from redis.exceptions import RedisError
from rest_framework import exceptions as drf
from rest_framework.views import set_rollback

from core import problems
from core.api import wire
from core.problems import DomainError, FieldError

PROBLEM_TYPE: Final = "application/problem+json"
API_PREFIX: Final = "/api/"
RETRY_AFTER_SECONDS: Final = 5
CHALLENGE: Final = 'Bearer realm="cadre"'

log = structlog.get_logger(__name__)

_BY_DRF_CLASS: Final[Mapping[type[drf.APIException], type[DomainError]]] = {
    drf.ParseError: problems.MalformedBody,
    drf.AuthenticationFailed: problems.NotAuthenticated,
    drf.NotAuthenticated: problems.NotAuthenticated,
    drf.PermissionDenied: problems.PermissionDenied,
    drf.NotFound: problems.NotFound,
    drf.MethodNotAllowed: problems.MethodNotAllowed,
    drf.NotAcceptable: problems.NotAcceptable,
    drf.UnsupportedMediaType: problems.UnsupportedMediaType,
}
# Subclasses stand before their bases.
_BY_DJANGO_CLASS: Final[Mapping[type[Exception], type[DomainError]]] = {
    Http404: problems.NotFound,
    django_errors.PermissionDenied: problems.PermissionDenied,
    django_errors.RequestDataTooBig: problems.BodyTooLarge,
    django_errors.SuspiciousOperation: problems.InvalidInput,
}


def exception_handler(exc: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """DRF's hook: answer what is known; what is not goes up as the bug it is. The transaction is rolled back."""
    error = as_domain_error(exc)
    if error is None:
        return None
    set_rollback()
    request = context["request"]
    return problem_response(error, getattr(request, "_request", request))


def as_domain_error(exc: BaseException) -> DomainError | None:
    """The DomainError that an exception amounts to, or None for a bug."""
    if isinstance(exc, DomainError):
        return exc
    if isinstance(exc, drf.APIException):
        return _from_drf(exc)
    if isinstance(exc, DatabaseError):
        return _from_database(exc)
    if isinstance(exc, RedisError):
        log.warning("valkey_unavailable", reason=str(exc))
        return problems.Unavailable(retry_after=RETRY_AFTER_SECONDS)
    for django_class, error_class in _BY_DJANGO_CLASS.items():
        if isinstance(exc, django_class):
            return error_class()
    return None


def problem_response(error: DomainError, request: HttpRequest) -> HttpResponse:
    """The problem document of an error as the answer to a request."""
    instance = escape_uri_path(request.path)
    document = error.as_document(instance=instance, request_id=request.META.get("HTTP_X_REQUEST_ID", ""))
    response = HttpResponse(wire.dumps(document), status=error.status, content_type=PROBLEM_TYPE)
    if error.status == 401:
        response["WWW-Authenticate"] = CHALLENGE
    if "retry_after" in error.extra:
        response["Retry-After"] = str(error.extra["retry_after"])
    return response


def validation_errors(detail: Any, *, prefix: str = "/") -> list[FieldError]:
    """A serializer's errors as a flat list with JSON pointers (`?name` for query parameters)."""
    return list(_flatten(detail, "", prefix))


def _flatten(detail: Any, pointer: str, prefix: str) -> Iterator[FieldError]:
    if isinstance(detail, Mapping):
        for name, child in detail.items():
            at = pointer if name == "non_field_errors" else _extend(pointer, str(name), prefix)
            yield from _flatten(child, at, prefix)
    elif isinstance(detail, Sequence) and not isinstance(detail, str):
        for index, child in enumerate(detail):
            nested = isinstance(child, Mapping | list)
            yield from _flatten(child, _extend(pointer, str(index), prefix) if nested else pointer, prefix)
    else:
        yield FieldError(pointer, getattr(detail, "code", None) or "invalid", str(detail))


def _extend(pointer: str, name: str, prefix: str) -> str:
    return f"{pointer or ''}{'/' if pointer else prefix}{wire.escape(name)}"


def _from_drf(exc: drf.APIException) -> DomainError:
    if isinstance(exc, drf.ValidationError):
        return problems.InvalidInput(errors=validation_errors(exc.detail))
    if isinstance(exc, drf.Throttled):
        return problems.RateLimited(retry_after=int(getattr(exc, "wait", None) or 1))
    for drf_class, error_class in _BY_DRF_CLASS.items():
        if isinstance(exc, drf_class):
            return error_class(str(exc.detail) if error_class is not problems.NotFound else "")
    return problems.InternalError()


def _from_database(exc: DatabaseError) -> DomainError | None:
    named = problems.constraint_error(exc)
    if named is not None:
        return named
    if isinstance(exc, OperationalError):
        log.warning("database_unavailable", reason=str(exc))
        return problems.Unavailable(retry_after=RETRY_AFTER_SECONDS)
    if isinstance(exc, DataError):
        return problems.InvalidInput(_("A value is outside what can be stored."))
    if isinstance(exc, IntegrityError) and not isinstance(exc.__cause__, pg.NotNullViolation):
        log.error("unmapped_constraint", constraint=problems.constraint_name(exc), reason=str(exc))
        return problems.Conflict()
    return None


def is_api(request: HttpRequest) -> bool:
    """Whether the caller expects problem documents rather than pages."""
    return request.path.startswith(API_PREFIX)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler400: refused by Django before any view was found."""
    if not is_api(request):
        return defaults.bad_request(request, exception)
    return problem_response(as_domain_error(exception) or problems.InvalidInput(), request)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler403."""
    if not is_api(request):
        return defaults.permission_denied(request, exception)
    return problem_response(problems.PermissionDenied(), request)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler404: no such path."""
    if not is_api(request):
        return defaults.page_not_found(request, exception)
    return problem_response(problems.NotFound(_("There is no such path.")), request)


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500: a bug, or a database that is down (which is told apart, for pages too)."""
    error = as_domain_error(sys.exc_info()[1] or Exception()) or problems.InternalError()
    if is_api(request):
        return problem_response(error, request)
    response = defaults.server_error(request)
    if isinstance(error, problems.Unavailable):
        response.status_code = error.status
        response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
