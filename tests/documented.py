"""Every answer of the API is held to what the OpenAPI document says about it, whichever test asked for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache, wraps
from typing import Any, Final

import orjson
import pytest
from django.test import Client
from django.urls import Resolver404
from jsonschema import Draft202012Validator

from core.api import docs

UNCHECKED: Final = (405,)
"""What no operation can document: a method that does not exist has no operation."""


class Undocumented(AssertionError):
    """An answer is not what the document promises."""


@contextmanager
def held() -> Iterator[None]:
    """While this lasts, a test client's answer that breaks the document fails the test that asked for it."""
    stock = Client.request

    @wraps(stock)
    def request(self: Client, **environ: Any) -> Any:
        answer = stock(self, **environ)
        check(answer, environ["PATH_INFO"])
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Client, "request", request)
        yield


def check(answer: Any, path: str) -> None:
    """Raise Undocumented unless the answer's status is documented and its JSON fits the schema for it."""
    kind = answer.headers.get("Content-Type", "").partition(";")[0]
    if not path.startswith("/api/v1/") or not kind.endswith("json") or answer.status_code in UNCHECKED:
        return
    try:
        route = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", f"/{answer.resolver_match.route}")
    except Resolver404:
        return
    asked = f"{answer.request['REQUEST_METHOD']} {route} → {answer.status_code}"
    validator = _validator(answer.request["REQUEST_METHOD"].lower(), route, answer.status_code, kind)
    if validator is None:
        raise Undocumented(f"{asked} ({kind}) is not documented")
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    if answer.streaming:
        answer.streaming_content = [body]
    for error in validator.iter_errors(orjson.loads(body)):
        raise Undocumented(f"{asked}: {error.json_path}: {error.message}")


@lru_cache
def _document() -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(docs.document())
    return found


@cache
def _validator(method: str, route: str, status: int, kind: str) -> Draft202012Validator | None:
    """What an answer has to fit; for a route without operations (the document itself, pages) nothing is asked."""
    operations = _document()["paths"].get(route)
    if operations is None:
        return Draft202012Validator({})
    response = operations.get(method, {}).get("responses", {}).get(str(status))
    media = (response or {}).get("content", {}).get(kind)
    if media is None:
        return None
    return Draft202012Validator({**media["schema"], "components": _document()["components"]})
