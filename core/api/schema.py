"""The OpenAPI 3.1 document, read from the declarations of the endpoints.

drf-spectacular finds the paths and maps request serializers; everything else comes from `@endpoint`: answers from
TypedDicts, refusals from DomainErrors, scopes, headers, pages and operations.
"""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import (
    ComponentRegistry,
    ResolvedComponent,
    force_instance,
    resolve_django_path_parameter,
)
from rest_framework import serializers

from core import idempotency, problems
from core.api import bodies, typed
from core.api.call import Accepted, Download
from core.api.openapi import HEADER_REFS, NDJSON_SCHEMA, PAGE_PARAMETERS, field_component, problem_body
from core.api.progress import OperationOut
from core.api.versions import StaleVersion
from core.principal import Kind
from core.problems import DomainError

_VERBS: Final = {"GET": "retrieve", "POST": "create", "PUT": "replace", "PATCH": "update", "DELETE": "delete"}
_SECURITY: Final[dict[Kind | None, list[dict[str, list[str]]]]] = {
    None: [],
    Kind.LAB: [{"labKey": []}],
    Kind.EXPERT: [{"expertToken": []}, {"sessionToken": []}, {"sessionCookie": []}],
}
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})

_SchemaType = dict[str, Any]


class EndpointSchema(AutoSchema):
    """One operation for each declared handler; undeclared handlers stay out of the document."""

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: ComponentRegistry
    ) -> _SchemaType | None:
        """The operation object."""
        from core.api.endpoint import spec_of  # noqa: PLC0415  # endpoint → views → schema: the view class carries this

        self.registry, self.path, self.path_regex, self.path_prefix = registry, path, path_regex, path_prefix
        self.method = method.upper()
        spec = spec_of(self.view, method)
        if spec is None:
            return None
        self.spec = spec
        operation: _SchemaType = {
            "operationId": spec.operation_id or self._name(),
            "summary": spec.summary,
            "description": self._description(),
            "tags": [spec.tag or self._tag()],
            "parameters": self._parameters(),
        }
        if self.method in _WITH_BODY and (body := self._body()):
            operation["requestBody"] = body
        operation["responses"] = self._responses()
        operation["security"] = _SECURITY[self._audience()]
        if spec.scope:
            operation["x-required-scope"] = spec.scope
        return operation

    def _audience(self) -> Kind | None:
        audience: Kind | None = getattr(self.view, "audience", None)
        return audience

    def _takes_key(self) -> bool:
        return self.method == "POST" and self.spec.idempotency != "none" and self._audience() is not None

    def _takes_version(self) -> bool:
        return self.spec.version is not None and self.method != "GET"

    # --- Names ---

    def _tokens(self) -> list[str]:
        return [token.replace("-", "_") for token in self._tokenize_path()]

    def _tag(self) -> str:
        tokens = self._tokens() or ["service"]
        return f"expert {tokens[1] if len(tokens) > 1 else 'profile'}" if tokens[0] == "expert" else tokens[0]

    def _name(self) -> str:
        """`projects_create`, `projects_list`, `projects_launch`: an action's own name is its verb."""
        tokens = self._tokens() or ["root"]
        if self.method == "GET" and self.spec.paginated:
            return "_".join([*tokens, "list"])
        is_collection = len(tokens) == 1 or tokens[-1].endswith("s") or hasattr(self.view, "get")
        if self.method == "POST" and not is_collection:
            return "_".join(tokens)
        return "_".join([*tokens, _VERBS[self.method]])

    def _description(self) -> str:
        parts = [self.spec.description]
        if self.spec.scope:
            parts.append(f"Needs the scope `{self.spec.scope}`.")
        if self._takes_key() and self.spec.idempotency == "required":
            parts.append("Needs an `Idempotency-Key`.")
        return "\n\n".join(part for part in parts if part)

    # --- What goes in ---

    def _parameters(self) -> list[_SchemaType]:
        parameters = [self._path_parameter(name) for name in _variables(self.path)]
        if self.spec.query:
            parameters += [self._query_parameter(field) for field in self.spec.query().fields.values()]
        if self.spec.paginated:
            parameters += PAGE_PARAMETERS
        if self._takes_key():
            required = self.spec.idempotency == "required"
            name = "RequiredIdempotencyKey" if required else "IdempotencyKey"
            parameters.append({"$ref": f"#/components/parameters/{name}"})
        if self._takes_version():
            parameters.append({"$ref": "#/components/parameters/IfMatch"})
        return [*parameters, {"$ref": "#/components/parameters/RequestId"}]

    def _path_parameter(self, name: str) -> _SchemaType:
        resolved: Any = resolve_django_path_parameter(self.path_regex, name, []) or {}
        schema = resolved.get("schema") or {"type": "string"}
        return {"in": "path", "name": name, "schema": schema, "required": True}

    def _query_parameter(self, field: Any) -> _SchemaType:
        schema = self._map_serializer_field(field, "request")
        self._insert_field_validators(field, schema)
        parameter = {"in": "query", "name": field.field_name, "schema": schema}
        if description := schema.pop("description", ""):
            parameter["description"] = description
        if field.required:
            parameter["required"] = True
        if schema.get("type") == "array":
            parameter |= {"style": "form", "explode": True}
        return parameter

    def _body(self) -> _SchemaType | None:
        if self.spec.raw:
            signed = {"schema": {"type": "object"}, "example": self.spec.example or {}}
            return {"content": {self.spec.raw: signed}, "required": True}
        if self.spec.body is None:
            return None
        schema, required = self._get_request_for_media_type(self.spec.body, "request")
        if schema is None:
            return None
        media: _SchemaType = {"schema": schema}
        if self.spec.example is not None:
            media["example"] = self.spec.example
        content = {bodies.MULTIPART if self.spec.multipart else bodies.JSON: media}
        if self.spec.ndjson:
            content[bodies.NDJSON] = {"schema": NDJSON_SCHEMA}
        return {"content": content} | ({"required": True} if required else {})

    def _map_serializer_field(self, field: Any, direction: Any, bypass_extensions: bool = False) -> Any:
        if isinstance(field, serializers.FileField):
            return {"type": "string", "contentMediaType": "application/octet-stream", "format": "binary"}
        own = field_component(field)
        if own is None:
            return super()._map_serializer_field(field, direction, bypass_extensions)
        name, schema = own
        meta = self._get_serializer_field_meta(field, direction)
        if name:
            self._register(name, type(field), schema)
            schema = {"$ref": f"#/components/schemas/{name}"}
        described = {**schema, "description": meta["description"]} if "description" in meta else schema
        return typed.nullable(described) if meta.get("nullable") else described

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> _SchemaType:
        schema: _SchemaType = super()._map_basic_serializer(force_instance(serializer), direction)
        return {**schema, "additionalProperties": False}

    # --- What comes out ---

    def _responses(self) -> _SchemaType:
        answers = {self.spec.status: self.spec.returns, **self.spec.also}
        responses = {str(status): self._success(status, returns) for status, returns in sorted(answers.items())}
        by_status: dict[int, list[type[DomainError]]] = {}
        for error in dict.fromkeys([*self._common_errors(), *self.spec.errors]):
            by_status.setdefault(error.status, []).append(error)
        for status, errors in sorted(by_status.items()):
            responses[str(status)] = problem_body(errors)
        return responses

    def _success(self, status: int, returns: Any) -> _SchemaType:
        headers: _SchemaType = dict(HEADER_REFS)
        if self.spec.version and self.method == "GET":
            headers["ETag"] = {"$ref": "#/components/headers/ETag"}
        if returns is Accepted:
            headers["Location"] = {"$ref": "#/components/headers/Location"}
            returns = OperationOut
        if status == 204 or (returns is None and not self.spec.paginated):
            return {"description": "Done; there is nothing to say.", "headers": headers}
        if isinstance(returns, Download):
            content = {
                media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in returns.media_types
            }
            return {"description": "The file.", "headers": headers, "content": content}
        schema, example = typed.schema_of(returns, self._register), typed.example_of(returns)
        if self.spec.paginated and status == self.spec.status:
            schema, example = self._page(returns, schema), {"next": None, "previous": None, "results": [example]}
        content = {bodies.JSON: {"schema": schema, "example": example}}
        return {"description": "Accepted." if status == 202 else "Success.", "headers": headers, "content": content}

    def _page(self, returns: Any, item: _SchemaType) -> _SchemaType:
        name = f"{typed.component_name(returns)}Page"
        link = {"type": ["string", "null"], "format": "uri-reference"}
        schema = {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": {"type": "array", "items": item}},
        }
        self._register(name, returns, schema)
        return {"$ref": f"#/components/schemas/{name}"}

    def _common_errors(self) -> list[type[DomainError]]:
        errors: list[type[DomainError]] = [problems.InvalidInput, problems.NotAcceptable, problems.RateLimited]
        if self._audience() is not None:
            errors += [problems.NotAuthenticated, problems.PermissionDenied]
        if _variables(self.path) or self.spec.body:
            errors.append(problems.NotFound)  # bodies name things too
        if self.method in _WITH_BODY:
            errors += [problems.MalformedBody, problems.BodyTooLarge, problems.UnsupportedMediaType]
        if self.method != "GET":
            errors.append(problems.Conflict)
        if self._takes_key():
            errors += [
                idempotency.InvalidIdempotencyKey,
                idempotency.IdempotencyInFlight,
                idempotency.IdempotencyMismatch,
            ]
        if self._takes_key() and self.spec.idempotency == "required":
            errors.append(idempotency.IdempotencyKeyRequired)
        if self._takes_version():
            errors.append(StaleVersion)
        return [*errors, problems.Unavailable]

    def _register(self, name: str, origin: type, schema: _SchemaType) -> None:
        """Register a component once; `schema` is filled from the registered one when it exists already."""
        component = ResolvedComponent(name=name, type=ResolvedComponent.SCHEMA, schema=schema, object=origin)
        if component.key not in self.registry._components:  # noqa: SLF001  # `in` warns for the same TypedDict
            self.registry.register(component)
            return
        known = self.registry[component]
        if known.object is not origin:
            raise TypeError(f"Two types are called {name} in the API: {known.object!r} and {origin!r}; rename one.")
        schema.update(known.schema)


def _variables(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]
