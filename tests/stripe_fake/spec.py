"""Requests against Stripe's OpenAPI description: method, path, parameters, headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from jsonschema import Draft202012Validator

_KEY_LENGTH = 255
_PART = re.compile(r"\[([^\]]*)\]")
FORM = "application/x-www-form-urlencoded"


class Violation(Exception):
    """A request that Stripe's description does not allow."""


def decode(encoded: str) -> dict[str, Any]:
    """``a[b]=c&d[0]=e`` as nested values, all of them text."""
    tree: dict[str, Any] = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True, strict_parsing=bool(encoded)):
        head, *rest = [name.split("[", 1)[0], *_PART.findall(name)]
        branch = tree
        for part, following in zip([head, *rest], rest, strict=False):
            branch = branch.setdefault(part, {})
            if not isinstance(branch, dict):
                raise Violation(f"{name} is a value and has members ({following})")
        leaf = rest[-1] if rest else head
        if leaf in branch:
            raise Violation(f"{name} is there twice")
        branch[leaf] = value
    return {name: _listed(value) for name, value in tree.items()}


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    members = {name: _listed(member) for name, member in value.items()}
    return list(members.values()) if members and all(name.isdigit() for name in members) else members


class Spec:
    """The description, and the judge."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._paths = [
            (re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path)), path, methods)
            for path, methods in sorted(document["paths"].items(), key=lambda item: item[0].count("{"))
        ]

    @property
    def version(self) -> str:
        """The API version that it describes."""
        version: str = self._document["info"]["version"]
        return version

    def check(
        self, method: str, path: str, query: str, body: str, headers: Mapping[str, str]
    ) -> tuple[str, dict[str, Any]]:
        """The path's template and the typed parameters. Raises Violation."""
        template, operation = self._operation(method, path)
        self._check_headers(method, headers)
        if method == "POST":
            schema = operation["requestBody"]["content"][FORM]["schema"]
            encoded = body
            if query:
                raise Violation("a POST has no query")
        else:
            schema, encoded = _query_schema(operation), query
            if body:
                raise Violation(f"a {method} has no body")
        values = typed(schema, decode(encoded))
        broken = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(values)]
        if broken:
            raise Violation(f"{method} {path}: {'; '.join(broken)}")
        return template, values

    def _operation(self, method: str, path: str) -> tuple[str, Any]:
        for pattern, template, methods in self._paths:
            if pattern.fullmatch(path) and method.lower() in methods:
                return template, methods[method.lower()]
        raise Violation(f"there is no {method} {path}")

    def _check_headers(self, method: str, headers: Mapping[str, str]) -> None:
        if not headers.get("Authorization", "").startswith("Bearer sk_"):
            raise Violation("no secret key")
        if headers.get("Stripe-Version") != self.version:
            raise Violation(f"the version is {headers.get('Stripe-Version')}, described is {self.version}")
        if method == "POST":
            if not 0 < len(headers.get("Idempotency-Key", "")) <= _KEY_LENGTH:
                raise Violation("a POST without a usable Idempotency-Key")
            if headers.get("Content-Type") != FORM:
                raise Violation(f"a POST as {headers.get('Content-Type')}")


def _query_schema(operation: Mapping[str, Any]) -> dict[str, Any]:
    parameters = [parameter for parameter in operation.get("parameters", []) if parameter["in"] == "query"]
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {parameter["name"]: parameter["schema"] for parameter in parameters},
        "required": [parameter["name"] for parameter in parameters if parameter.get("required")],
    }


def typed(schema: Mapping[str, Any], value: Any) -> Any:
    """Text as the numbers and truth values that the schema wants; what does not fit stays as it is and is refused."""
    for choice in schema.get("anyOf", ()):
        candidate = typed(choice, value)
        if Draft202012Validator(choice).is_valid(candidate):
            return candidate
    kind = schema.get("type")
    if isinstance(value, dict):
        members = schema.get("properties", {})
        rest = schema.get("additionalProperties")
        rest = rest if isinstance(rest, dict) else {}
        return {name: typed(members.get(name, rest), member) for name, member in value.items()}
    if isinstance(value, list):
        return [typed(schema.get("items", {}), member) for member in value]
    if kind == "integer" and re.fullmatch(r"-?\d+", value, re.ASCII):
        return int(value)
    if kind == "boolean" and value in {"true", "false"}:
        return value == "true"
    return value
