"""`@endpoint`: one decorator that says what a handler needs, gives and refuses, and holds callers and handler to it.

The declaration is the single source for the checks at run time and for the OpenAPI document. A handler is left with
its one domain call:

    class ProjectList(LabView):
        @endpoint(summary="Create a project", scope="projects:write", body=ProjectIn, returns=ProjectOut, status=201)
        def post(self, call: Call) -> ProjectOut:
            project = projects.create(**call.body, by=call.principal, now=call.now)
            return render_project(project)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, Literal, TypeVar, cast

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.functional import cached_property
from rest_framework import serializers
from rest_framework.request import Request

from core import clock, idempotency
from core.api import bodies, pagination, queries, shape, wire
from core.api.bodies import MEGABYTE, Body
from core.api.call import Accepted, Call, Reply
from core.api.errors import validation_errors
from core.api.progress import operation_url, render_operation
from core.principal import Principal
from core.problems import DomainError, FieldError, InvalidInput

Handler = TypeVar("Handler", bound=Callable[..., Any])
SerializerClass = type[serializers.Serializer[Any]]
Idempotency = Literal["optional", "required", "none"]

UNSAFE: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
BULK_BYTES: Final = 16 * MEGABYTE
JSON_TYPE: Final = "application/json"


@dataclass(frozen=True)
class Endpoint:
    """The declaration of one endpoint; see `endpoint` for the meaning of each part."""

    summary: str
    description: str
    scope: str
    body: SerializerClass | None
    query: SerializerClass | None
    returns: Any
    status: int
    also: Mapping[int, Any]
    errors: Sequence[type[DomainError]]
    idempotency: Idempotency
    example: Any
    paginated: bool
    render: Callable[..., Any] | None
    order: str
    max_body: int
    ndjson: str
    multipart: bool
    partial: bool
    rate: str
    secrets: Sequence[str]
    operation_id: str
    tag: str

    @cached_property
    def query_names(self) -> frozenset[str]:
        """Every query parameter that the endpoint knows."""
        own = self.query().fields if self.query else ()
        return frozenset([*own, *(pagination.PARAMETERS if self.paginated else ())])


def endpoint(
    *,
    summary: str,
    scope: str = "",
    body: SerializerClass | None = None,
    query: SerializerClass | None = None,
    returns: Any = None,
    status: int = 0,
    also: Mapping[int, Any] | None = None,
    errors: Sequence[type[DomainError]] = (),
    idempotency: Idempotency = "optional",
    example: Any = None,
    paginated: bool = False,
    render: Callable[..., Any] | None = None,
    order: str = "-id",
    max_body: int = MEGABYTE,
    ndjson: str = "",
    multipart: bool = False,
    rate: str = "default",
    secrets: Sequence[str] = (),
    operation_id: str = "",
    tag: str = "",
) -> Callable[[Handler], Handler]:
    """Declare an endpoint.

    - `scope`: the lab scope it needs ("projects:write"); experts need none.
    - `body`, `query`: serializers; unknown members and parameters and coerced types are refused with 400. PATCH
      bodies are partial.
    - `returns`: a TypedDict, `list[…]`, `Accepted` (202 with an operation), `Download("application/pdf")` or None (204);
      `status` is 200 unless said otherwise; `also` declares further successes for handlers that return a Reply.
    - `errors`: the DomainErrors that the handler's domain call may raise.
    - `idempotency`: for POSTs; "required" for money, time and bulk.
    - `example`: an example of the request body; those of responses are generated from their types.
    - `paginated`: the handler returns a visible, filtered QuerySet; `render` turns one row into its TypedDict, `order`
      is the unique column to walk along.
    - `max_body` in bytes; `ndjson` names the member that the lines of an NDJSON body become; `multipart` for uploads.
    - `rate`: the policy in settings.RATE_LIMITS.
    - `secrets`: members of the answer that are null in a replay.
    """
    if returns is Accepted:
        status = status or 202
    status = status or (204 if returns is None and not paginated else 200)

    def decorate(handler: Handler) -> Handler:
        spec = Endpoint(
            summary=summary,
            description=(handler.__doc__ or "").strip(),
            scope=scope,
            body=body,
            query=query,
            returns=returns,
            status=status,
            also=also or {},
            errors=tuple(errors),
            idempotency=idempotency,
            example=example,
            paginated=paginated,
            render=render,
            order=order,
            max_body=max_body,
            ndjson=ndjson,
            multipart=multipart,
            partial=handler.__name__ == "patch",
            rate=rate,
            secrets=tuple(secrets),
            operation_id=operation_id,
            tag=tag,
        )

        @wraps(handler)
        def run(view: Any, request: Request, **path: Any) -> HttpResponseBase:
            return _run(spec, lambda call: handler(view, call, **path), request, path)

        run.endpoint = spec  # type: ignore[attr-defined]  # views and the OpenAPI document read the declaration here
        return run  # type: ignore[return-value]  # Django calls it with a request, and the author reads it with a Call

    return decorate


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
        result = handle(call)
        if page is not None:
            result = pagination.paginate(result, page, order=spec.order, render=spec.render, path=request.path)
        return _respond(spec, result)

    if not key:
        return respond()
    return idempotency.once(
        idempotency.Attempt(
            owner=idempotency.owner_of(principal),
            key=key,
            method=request.method or "",
            path=request.path,
            digest=body.digest,
            now=now,
            secrets=spec.secrets,
        ),
        respond,
    )


def _idempotency_key(spec: Endpoint, request: Request) -> str:
    if request.method != "POST" or spec.idempotency == "none":
        return ""
    return idempotency.read_key(request.headers.get("Idempotency-Key"), required=spec.idempotency == "required")


def _read_body(spec: Endpoint, request: Request) -> Body:
    if request.method not in UNSAFE:
        return bodies.EMPTY
    plain = request._request  # noqa: SLF001  # DRF has no public name for the request it wraps
    return bodies.read(plain, max_bytes=spec.max_body, ndjson=spec.ndjson, multipart=spec.multipart)


def _validate(spec: Endpoint, body: Body, request: Request) -> dict[str, Any]:
    """The validated body; raises InvalidInput with a JSON pointer for every broken rule."""
    if request.method not in UNSAFE:
        return {}
    if not isinstance(body.data, dict):
        raise InvalidInput(errors=[FieldError("", "wrong_type", "Expected an object.")])
    if spec.body is None:
        if body.data:
            raise InvalidInput(errors=shape.unknown((), body.data))
        return {}
    context = {"principal": request.auth, "request": request}
    serializer = spec.body(data=body.data, partial=spec.partial, context=context)
    # Everything in a form is text; only names can be compared there.
    deviations = shape.unknown(serializer.fields, body.data) if body.textual else shape.check(serializer, body.data)
    if deviations:
        raise InvalidInput(errors=deviations)
    if not serializer.is_valid():
        raise InvalidInput(errors=validation_errors(serializer.errors))
    return dict(serializer.validated_data)


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
