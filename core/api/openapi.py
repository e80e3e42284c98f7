"""Fixed parts of the OpenAPI document: security, headers, parameters, the problem document, codes of our own fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from core import idempotency, problems
from core.api import fields, versions
from core.api.errors import PROBLEM_TYPE
from core.api.pagination import DEFAULT_LIMIT, LARGEST_LIMIT
from core.problems import DomainError

API_PATH: Final = "/api/v1"
Json = dict[str, Any]

NDJSON_SCHEMA: Final[Json] = {
    "type": "string",
    "description": "One JSON object per line, as in the list of the JSON body.",
}

PAGE_PARAMETERS: Final[list[Json]] = [
    {"$ref": "#/components/parameters/Limit"},
    {"$ref": "#/components/parameters/Cursor"},
]
HEADER_REFS: Final[Json] = {
    name: {"$ref": f"#/components/headers/{name}"}
    for name in ("X-Request-ID", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
}

_MONEY: Final[Json] = {
    "amount": {"type": "string", "pattern": r"^\d+(\.\d+)?$", "examples": ["1275.00"]},
    "currency": {"type": "string", "pattern": "^[A-Z]{3}$", "description": "ISO 4217.", "examples": ["USD"]},
}
_OWN_FIELDS: Final[list[tuple[type, str, Json]]] = [
    (
        fields.RateField,
        "RateIn",
        {
            "type": "object",
            "description": "Pay per hour.",
            "required": ["amount", "currency", "per"],
            "properties": {**_MONEY, "per": {"type": "string", "enum": ["hour"]}},
            "additionalProperties": False,
        },
    ),
    (
        fields.MoneyField,
        "MoneyIn",
        {
            "type": "object",
            "description": "An amount with the decimals of its currency.",
            "required": ["amount", "currency"],
            "properties": _MONEY,
            "additionalProperties": False,
        },
    ),
    (fields.DurationField, "", {"type": "string", "format": "duration", "examples": ["PT2H30M"]}),
    (fields.InstantField, "", {"type": "string", "format": "date-time", "examples": ["2026-11-16T09:30:00Z"]}),
    (fields.DayField, "", {"type": "string", "format": "date"}),
    (fields.CurrencyField, "", _MONEY["currency"]),
    (fields.CountryField, "", {"type": "string", "pattern": "^[A-Z]{2}$", "description": "ISO 3166-1 alpha-2."}),
    (fields.LanguageField, "", {"type": "string", "pattern": "^[a-z]{2,3}(-[A-Z]{2})?$", "description": "ISO 639."}),
    (fields.TimeZoneField, "", {"type": "string", "description": "IANA time zone.", "examples": ["Europe/Berlin"]}),
    (
        fields.MetadataField,
        "MetadataIn",
        {
            "type": "object",
            "description": "The lab's own notes.",
            "maxProperties": fields.METADATA_PAIRS,
            "propertyNames": {"minLength": 1, "maxLength": fields.METADATA_KEY_LENGTH},
            "additionalProperties": {"type": "string", "maxLength": fields.METADATA_VALUE_LENGTH},
        },
    ),
]

_PROBLEM: Final[Json] = {
    "type": "object",
    "description": "RFC 9457. Some codes add members of their own; see their pages.",
    "required": ["type", "title", "status", "detail", "instance", "code", "request_id", "errors"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "A page that explains the code."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri-reference"},
        "code": {"type": "string", "description": "Stable; decide by this."},
        "request_id": {"type": "string"},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/FieldError"}},
        "remedy": {"$ref": "#/components/schemas/Remedy"},
    },
}
_FIELD_ERROR: Final[Json] = {
    "type": "object",
    "required": ["pointer", "code", "detail"],
    "properties": {
        "pointer": {
            "type": "string",
            "description": "JSON pointer into the body, `?name` of a parameter, or a header.",
        },
        "code": {"type": "string"},
        "detail": {"type": "string"},
    },
}
_REMEDY: Final[Json] = {
    "type": "object",
    "description": "What to do first, and where.",
    "required": ["text", "href"],
    "properties": {"text": {"type": "string"}, "href": {"type": "string", "format": "uri-reference"}},
}


def _key_parameter(required: bool) -> Json:
    return {
        "in": "header",
        "name": idempotency.HEADER,
        "required": required,
        "description": "A fresh random text for each thing that shall happen once; the same for repetitions.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[\x21-\x7e]+$"},
        "example": "5f1c1e9e-6d3b-4f43-9f0a-2b6f6a1f9c11",
    }


_PARAMETERS: Final[Json] = {
    "IdempotencyKey": _key_parameter(required=False),
    "RequiredIdempotencyKey": _key_parameter(required=True),
    "IfMatch": {
        "in": "header",
        "name": versions.HEADER,
        "description": "The `ETag` of what you looked at: the request is refused if it has changed since.",
        "schema": {"type": "string"},
    },
    "RequestId": {
        "in": "header",
        "name": "X-Request-ID",
        "description": "Your own name for the request, 8 to 128 letters, digits and `._-`; it comes back and is logged.",
        "schema": {"type": "string"},
    },
    "Limit": {
        "in": "query",
        "name": "limit",
        "schema": {"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT, "default": DEFAULT_LIMIT},
    },
    "Cursor": {
        "in": "query",
        "name": "cursor",
        "description": "From `next` or `previous` of another page; opaque.",
        "schema": {"type": "string"},
    },
}
_INTEGER: Final[Json] = {"schema": {"type": "integer"}}
_HEADERS: Final[Json] = {
    "X-Request-ID": {"description": "Names this request in our logs.", "schema": {"type": "string"}},
    "RateLimit-Limit": {"description": "Requests per window.", **_INTEGER},
    "RateLimit-Remaining": {"description": "Requests left now.", **_INTEGER},
    "RateLimit-Reset": {"description": "Seconds until all are back.", **_INTEGER},
    "Retry-After": {"description": "Seconds to wait.", **_INTEGER},
    "ETag": {"description": "Names this state of the thing, for `If-Match`.", "schema": {"type": "string"}},
    "Location": {"description": "Where to ask how far it is.", "schema": {"type": "string", "format": "uri-reference"}},
}
_SECURITY_SCHEMES: Final[Json] = {
    "labKey": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "cadre_live_… or cadre_test_…",
        "description": "A lab's API key. A test key reaches the lab's sandbox only.",
    },
    "expertToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "cadre_exp_…",
        "description": "An expert's personal token.",
    },
    "sessionToken": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Session-Token",
        "description": "From the headless log-in of an app.",
    },
    "sessionCookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "sessionid",
        "description": "A browser's session; unsafe methods also need `X-CSRFToken`.",
    },
}


def field_component(field: Any) -> tuple[str, Json] | None:
    """Component name (or none) and schema of a field of our own; None for stock fields."""
    for kind, name, schema in _OWN_FIELDS:
        if isinstance(field, kind):
            return name, dict(schema)
    if isinstance(field, fields.PublicIdField):
        pattern = f"^{field.prefix}_[0-9a-z]{{26}}$"
        return "", {"type": "string", "pattern": pattern, "description": f"Public id `{field.prefix}_…`."}
    return None


def problem_body(errors: Sequence[type[DomainError]]) -> Json:
    """The response object for the errors that share a status."""
    response: Json = {
        "description": " ".join(f"`{error.code}`: {error.title}." for error in errors),
        "content": {
            PROBLEM_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {error.code: {"$ref": f"#/components/examples/{error.code}"} for error in errors},
            }
        },
    }
    if errors[0].status in {429, 503}:
        response["headers"] = {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}
    return response


def finish(result: Json, **_context: Any) -> Json:
    """drf-spectacular's hook: add the fixed components and repair what its own mapping leaves unfit for 3.1."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {}).update(Problem=_PROBLEM, FieldError=_FIELD_ERROR, Remedy=_REMEDY)
    components["schemas"] = dict(sorted(components["schemas"].items()))
    components["parameters"] = _PARAMETERS
    components["headers"] = _HEADERS
    components["securitySchemes"] = _SECURITY_SCHEMES
    components["examples"] = {code: _problem_example(problems.registry()[code]) for code in _refusals(result)}
    tags = {tag for path in result["paths"].values() for operation in path.values() for tag in operation["tags"]}
    result["tags"] = [{"name": tag} for tag in sorted(tags)]
    repaired: Json = _repair(result)
    return repaired


def _refusals(result: Json) -> list[str]:
    """The codes that some operation declares: what else happens to be imported must not change the document."""
    contents = [
        response.get("content", {}).get(PROBLEM_TYPE, {}).get("examples", {})
        for path in result["paths"].values()
        for operation in path.values()
        for response in operation["responses"].values()
    ]
    return sorted({code for examples in contents for code in examples})


def _problem_example(error: type[DomainError]) -> Json:
    sample = error.__new__(error)
    DomainError.__init__(sample, **error.example_members)  # whatever arguments the subclass itself wants
    document = sample.as_document(instance=f"{API_PATH}/…", request_id="req-5f1c1e9e6d3b")
    return {"summary": str(error.title), "value": document}


def _repair(node: Any) -> Any:
    """`oneOf` with an empty schema matches twice or never; without it the schema means what was meant: anything."""
    if isinstance(node, list):
        return [_repair(item) for item in node]
    if not isinstance(node, dict):
        return node
    if {} in node.get("oneOf", ()):
        node = {name: value for name, value in node.items() if name != "oneOf"}
    return {name: _repair(value) for name, value in node.items()}
