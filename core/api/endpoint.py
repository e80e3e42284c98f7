"""`@endpoint`: one decorator that says what a handler needs, gives and refuses, and holds callers and handler to it.

The declaration is the single source for the checks at run time and for the OpenAPI document. A handler is left with
its one domain call:

    class ProjectList(LabView):
        @endpoint(summary="Create a project", scope="projects:write", body=ProjectIn, returns=ProjectOut, status=201)
        def post(self, call: Call) -> ProjectOut:
            project = projects.create(**call.body, by=call.principal, now=call.now)
            return render_project(project)
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any, Final, Literal, TypeVar, cast

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from core import clock, idempotency
from core.api import bodies, pagination, queries, shape, versions, wire
from core.api.bodies import MEGABYTE, Body
from core.api.call import Accepted, Call, Listed, Reply
from core.api.errors import validation_errors
from core.api.progress import operation_url, render_operation
from core.api.versions import Version
from core.principal import Kind, Principal
from core.problems import DomainError, FieldError, InvalidInput

Handler = TypeVar("Handler", bound=Callable[..., Any])
SerializerClass = type[serializers.Serializer[Any]]
Idempotency = Literal["optional", "required", "none"]

UNSAFE: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
BULK_BYTES: Final = 16 * MEGABYTE
JSON_TYPE: Final = "application/json"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """The declaration of one endpoint; used as a decorator under the name `endpoint`."""

    summary: str
    # The lab scope that is needed ("projects:write"); experts need none.
    scope: str = ""
    # Serializers; unknown members and parameters and coerced types are refused with 400. PATCH bodies are partial.
    body: SerializerClass | None = None
    query: SerializerClass | None = None
    # A TypedDict, `list[…]`, `Accepted` (202 with an operation), `Download("application/pdf")` or None (204).
    returns: Any = None
    # 200 unless said otherwise or told by `returns`; `also` declares further successes for handlers that make a Reply.
    status: int = 0
    also: Mapping[int, Any] = field(default_factory=dict)
    # The DomainErrors that the handler's domain call may raise; those of the edge itself are documented anyway.
    errors: Sequence[type[DomainError]] = ()
    # For POSTs; "required" for money, time and bulk.
    idempotency: Idempotency = "optional"
    # An example of the request body; those of answers are generated from their types.
    example: Any = None
    # The handler returns a visible, filtered QuerySet (or a ranked sequence); `render` turns one row into its
    # TypedDict, `order` is the unique column to walk along.
    paginated: bool = False
    render: Callable[..., Any] | None = None
    order: str = "-id"
    # Bytes; the member that the lines of an NDJSON body become; whether the body is a form with files.
    max_body: int = MEGABYTE
    ndjson: str = ""
    multipart: bool = False
    # The media type of a body that is taken as it comes, for a handler that verifies its signature: `call.sent`, bytes.
    raw: str = ""
    # The policy in settings.RATE_LIMITS.
    rate: str = "default"
    # What the thing's version is made of: a GET answers with it as `ETag`, a write may be held to it by `If-Match`.
    version: Version | None = None
    # Members of the answer that are null in a replay.
    secrets: Sequence[str] = ()
    # For the document, where the defaults read badly; the description is the handler's docstring.
    operation_id: str = ""
    tag: str = ""
    description: str = ""

    def __call__(self, handler: Handler) -> Handler:
        """Wrap a handler that takes a Call into one that takes a request."""
        usual = 202 if self.returns is Accepted else 204 if self.returns is None else 200
        spec = replace(self, description=(handler.__doc__ or "").strip(), status=self.status or usual)

        @wraps(handler)
        def run(view: Any, request: Request, **path: Any) -> HttpResponseBase:
            return _run(spec, lambda call: handler(view, call, **path), request, path)

        run.endpoint = spec  # type: ignore[attr-defined]  # views and the OpenAPI document read the declaration here
        return run  # type: ignore[return-value]  # Django calls it with a request, and the author reads it with a Call

    @cached_property
    def query_names(self) -> frozenset[str]:
        """Every query parameter that the endpoint knows."""
        own = self.query().fields if self.query else ()
        return frozenset([*own, *(pagination.PARAMETERS if self.paginated else ())])


endpoint = Endpoint


def spec_of(view: Any, method: str) -> Endpoint | None:
    """The declaration of a view's handler for an HTTP method, if it has one."""
    handler = getattr(view, method.lower(), None)
    spec = getattr(handler, "endpoint", None)
    return spec if isinstance(spec, Endpoint) else None


def _run(spec: Endpoint, handle: Callable[[Call], Any], request: Request, path: Mapping[str, Any]) -> HttpResponseBase:
    query = queries.read(request, spec.query, spec.query_names)
    page = pagination.read(request) if spec.paginated else None
    key = _idempotency_key(spec, request)
    body = _read_body(spec, request)
    principal = cast(Principal, request.auth)
    now = clock.now()

    def respond() -> HttpResponseBase:
        call = Call(
            principal=principal,
            now=now,
            request=request,
            body=_validate(spec, body, request),
            query=query,
            path=path,
            sent=body.data,
        )
        if spec.version and request.method in UNSAFE:
            spec.version.require(call, request.headers.get(versions.HEADER))
        result = handle(call)
        if page is not None:
            result = _paginate(spec, result, page, request)
        response = _respond(spec, result)
        if spec.version and request.method == "GET":
            response["ETag"] = spec.version.tag(result)
        return response

    if not key:
        return respond()
    return idempotency.once(_attempt(spec, request, key=key, body=body, now=now), respond)


def _paginate(spec: Endpoint, result: Any, page: pagination.PageRequest, request: Request) -> dict[str, Any]:
    listed = result if isinstance(result, Listed) else Listed(result, spec.render)
    return pagination.paginate(
        listed.rows, page, order=spec.order, render=listed.render, together=listed.together, path=request.path
    )


def _attempt(spec: Endpoint, request: Request, *, key: str, body: Body, now: dt.datetime) -> idempotency.Attempt:
    return idempotency.Attempt(
        owner=idempotency.owner_of(cast(Principal, request.auth)),
        key=key,
        method=request.method or "",
        path=request.path,
        digest=body.digest,
        now=now,
        secrets=spec.secrets,
    )


def _idempotency_key(spec: Endpoint, request: Request) -> str:
    caller = cast(Principal, request.auth)
    if request.method != "POST" or spec.idempotency == "none" or caller.kind is Kind.ANONYMOUS:
        return ""  # strangers share no keys: one would be answered what another was told
    return idempotency.read_key(request.headers.get("Idempotency-Key"), required=spec.idempotency == "required")


def _read_body(spec: Endpoint, request: Request) -> Body:
    if request.method not in UNSAFE:
        return bodies.EMPTY
    plain = request._request  # noqa: SLF001  # DRF has no public name for the request it wraps
    if spec.raw:
        return bodies.read_raw(plain, max_bytes=spec.max_body)
    return bodies.read(plain, max_bytes=spec.max_body, ndjson=spec.ndjson, multipart=spec.multipart)


def _validate(spec: Endpoint, body: Body, request: Request) -> dict[str, Any]:
    """The validated body; raises InvalidInput with a JSON pointer for every broken rule."""
    if request.method not in UNSAFE or spec.raw:
        return {}
    if not isinstance(body.data, dict):
        raise InvalidInput(errors=[FieldError("", "wrong_type", _("Expected an object."))])
    if spec.body is None:
        if body.data:
            raise InvalidInput(errors=shape.unknown((), body.data))
        return {}
    context = {"principal": request.auth, "request": request}
    serializer = spec.body(data=body.data, context=context)
    if request.method == "PATCH":
        _make_optional(serializer)
    # Everything in a form is text; only names can be compared there.
    deviations = shape.unknown(serializer.fields, body.data) if body.textual else shape.check(serializer, body.data)
    if deviations:
        raise InvalidInput(errors=deviations)
    if not serializer.is_valid():
        raise InvalidInput(errors=validation_errors(serializer.errors))
    return dict(serializer.validated_data)


def _make_optional(serializer: serializers.Serializer[Any]) -> None:
    """Let absent members stay as they are. DRF's own `partial` would reach into nested objects and halve them too."""
    for member in serializer.fields.values():
        member.required, member.default = False, serializers.empty


def _respond(spec: Endpoint, result: Any) -> HttpResponseBase:
    status, headers = spec.status, {}
    if isinstance(result, HttpResponseBase):
        return result
    if isinstance(result, Accepted):
        status = 202
        headers = {"Location": operation_url(result.operation)}
        result = render_operation(result.operation)
    elif isinstance(result, Reply):
        if result.status != spec.status and result.status not in spec.also:
            raise TypeError(f"{spec.summary}: the status {result.status} is not declared")
        status, headers, result = result.status, dict(result.headers), result.body
    if status == 204:
        return HttpResponse(status=204, headers=headers)
    return HttpResponse(wire.dumps(result), status=status, content_type=JSON_TYPE, headers=headers)
