"""Python types as JSON Schema (2020-12, as OpenAPI 3.1 wants it) and as examples.

Handlers declare what they answer with TypedDicts; this module reads them, so the document cannot drift from the code
that mypy checks.
"""

from __future__ import annotations

import datetime as dt
import types
import typing
import uuid
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Final, Literal, NotRequired, Required, Union, get_args, get_origin

from core.api.types import Doc, Example, IdOf, Schema

JsonSchema = dict[str, Any]
Register = Callable[[str, type, JsonSchema], None]

_SCALARS: Final[Mapping[Any, tuple[JsonSchema, Any]]] = {
    str: ({"type": "string"}, "text"),
    int: ({"type": "integer"}, 1),
    float: ({"type": "number"}, 0.5),
    bool: ({"type": "boolean"}, True),
    dt.datetime: ({"type": "string", "format": "date-time"}, "2026-11-16T09:30:00Z"),
    dt.date: ({"type": "string", "format": "date"}, "2026-11-16"),
    dt.timedelta: ({"type": "string", "format": "duration"}, "PT2H30M"),
    Decimal: ({"type": "string", "format": "decimal"}, "1275.00"),
    uuid.UUID: ({"type": "string", "format": "uuid"}, "01935b7e-6a0c-7c1e-9a55-2f1f3c9d8e10"),
    None: ({"type": "null"}, None),
    type(None): ({"type": "null"}, None),
    Any: ({}, {}),
    object: ({}, {}),
}
_UNIONS: Final = (Union, types.UnionType)
_WRAPPERS: Final = (NotRequired, Required)


class UnknownType(TypeError):
    """An answer is declared with a type that has no JSON form."""


def component_name(hint: type) -> str:
    """`ProjectOut` → `Project`."""
    return hint.__name__.removesuffix("Out")


def schema_of(hint: Any, register: Register) -> JsonSchema:
    """The JSON Schema of a type; TypedDicts are registered as components and referred to."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _annotated_schema(args[0], args[1:], register)
    if origin in _WRAPPERS:
        return schema_of(args[0], register)
    if origin is Literal:
        return _enum_schema(list(args))
    if origin in _UNIONS:
        return _union_schema(args, register)
    if typing.is_typeddict(hint):
        return _component(hint, register)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum_schema([member.value for member in hint])
    return _container_schema(hint, origin, args, register)


def example_of(hint: Any) -> Any:
    """A plausible value of a type, from its Example, its IdOf or its kind."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        given = [
            mark.example if isinstance(mark, IdOf) else mark.value for mark in args if isinstance(mark, Example | IdOf)
        ]
        return given[0] if given else example_of(args[0])
    if origin in _WRAPPERS:
        return example_of(args[0])
    if origin is Literal:
        return args[0]
    if origin in _UNIONS:
        return example_of(next((arg for arg in args if arg is not type(None)), None))
    if typing.is_typeddict(hint):
        return {name: example_of(member) for name, member in members(hint).items()}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return next(iter(hint)).value
    return _container_example(hint, origin, args)


def members(hint: Any) -> dict[str, Any]:
    """The members of a TypedDict with their annotations."""
    return typing.get_type_hints(hint, include_extras=True)


def nullable(schema: JsonSchema) -> JsonSchema:
    """The same schema, or null."""
    kind = schema.get("type")
    if not schema or kind == "null":
        return schema
    if isinstance(kind, str) and "enum" not in schema:
        return {**schema, "type": [kind, "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def _required_of(hint: Any) -> list[str]:
    """The members that are always there; `__required_keys__` alone overlooks marks in annotations kept as text."""
    marks = {name: get_origin(member) for name, member in members(hint).items()}
    always = {name for name, mark in marks.items() if mark is Required or name in hint.__required_keys__}
    return sorted(name for name in always if marks[name] is not NotRequired)


def _annotated_schema(base: Any, marks: Sequence[Any], register: Register) -> JsonSchema:
    schema = dict(schema_of(base, register))
    for mark in marks:
        if isinstance(mark, Doc):
            schema["description"] = mark.text
        elif isinstance(mark, Schema):
            schema.update(mark.keywords)
        elif isinstance(mark, IdOf):
            schema.setdefault("description", mark.text)
            schema["pattern"] = mark.pattern
    return schema


def _enum_schema(values: list[Any]) -> JsonSchema:
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return {"type": "boolean", "enum": values}
    if kinds == {int}:
        return {"type": "integer", "enum": values}
    if all(issubclass(kind, str) for kind in kinds):
        return {"type": "string", "enum": [str(value) for value in values]}
    return {"enum": values}


def _union_schema(args: Sequence[Any], register: Register) -> JsonSchema:
    schemas = [schema_of(arg, register) for arg in args if arg is not type(None)]
    if {} in schemas:
        return {}
    merged = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    return nullable(merged) if type(None) in args else merged


def _component(hint: Any, register: Register) -> JsonSchema:
    name = component_name(hint)
    schema: JsonSchema = {"type": "object"}
    register(name, hint, schema)
    if "properties" not in schema:
        # Registered before its members are read, so that a type may contain itself.
        schema["properties"] = {}
        if hint.__doc__:
            schema["description"] = " ".join(hint.__doc__.split())
        for member, annotation in members(hint).items():
            schema["properties"][member] = schema_of(annotation, register)
        if required := _required_of(hint):
            schema["required"] = required
    return {"$ref": f"#/components/schemas/{name}"}


def _container_schema(hint: Any, origin: Any, args: Sequence[Any], register: Register) -> JsonSchema:
    if hint in _SCALARS:
        return dict(_SCALARS[hint][0])
    kind = origin or hint
    if not isinstance(kind, type):
        raise UnknownType(f"{hint!r} has no JSON form")
    if issubclass(kind, Mapping):
        values = schema_of(args[1], register) if args else {}
        return {"type": "object", "additionalProperties": values or True}
    if issubclass(kind, tuple) and args and args[-1] is not Ellipsis:
        items = [schema_of(arg, register) for arg in args]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    if issubclass(kind, Sequence | set | frozenset):
        return {"type": "array", "items": schema_of(args[0], register) if args else {}}
    raise UnknownType(f"{hint!r} has no JSON form")


def _container_example(hint: Any, origin: Any, args: Sequence[Any]) -> Any:
    if hint in _SCALARS:
        return _SCALARS[hint][1]
    kind = origin or hint
    if isinstance(kind, type) and issubclass(kind, Mapping):
        return {"key": example_of(args[1])} if args else {}
    if isinstance(kind, type) and issubclass(kind, tuple) and args and args[-1] is not Ellipsis:
        return [example_of(arg) for arg in args]
    return [example_of(args[0])] if args else []
