"""A small REST client for the story: a key, one method per verb, and clear words when the site says no."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from config.demo.transport import Answer, Transport

PREFIX = "/api/v1"
POLL_SECONDS = 0.1
PATIENCE_SECONDS = 45.0
SUCCESS = range(200, 300)
MOST_ERRORS = 20

Json = dict[str, Any]


class Unexpected(RuntimeError):
    """The site answered otherwise than the story expects; the message holds the request and the problem document."""

    def __init__(self, method: str, path: str, answer: Answer) -> None:
        self.answer = answer
        super().__init__(f"{method} {path} → {answer.status}\n{answer.text[:3000]}")


class NotDone(RuntimeError):
    """Long work ended with errors; the message names each item, member and rule."""

    def __init__(self, state: Json) -> None:
        lines = [f"{error.get('pointer') or ''} {error['detail']}".strip() for error in state["errors"][:MOST_ERRORS]]
        super().__init__("\n".join([f"The operation {state['id']} {state['state']}.", *lines]))


class TooSlow(RuntimeError):
    """Something that a worker should have done by now has not happened."""


@dataclass(frozen=True)
class File:
    """A file for a multipart form."""

    name: str
    media_type: str
    content: bytes


def wait_for(what: str, look: Callable[[], Any], *, seconds: float = PATIENCE_SECONDS) -> Any:
    """Call ``look`` until it gives something true, and return that. Raises TooSlow."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TooSlow(f"Waited {seconds:.0f} s in vain for {what}.")
        time.sleep(POLL_SECONDS)
    return found


@dataclass
class Api:
    """A caller of the REST API. ``base`` is the part of the path that all his calls share."""

    transport: Transport
    key: str
    base: str = PREFIX

    def get(self, path: str, **query: str | int) -> Any:
        """The parsed answer of a GET."""
        return self._call("GET", path + (f"?{urlencode(query)}" if query else "")).json

    def post(self, path: str, body: Json | None = None, *, files: Mapping[str, File] | None = None) -> Any:
        """The parsed answer of a POST; each carries an Idempotency-Key of its own."""
        if files:
            content, media_type = _multipart(body or {}, files)
            return self._call("POST", path, content, media_type).json
        return self._call("POST", path, _dumps(body)).json

    def post_lines(self, path: str, lines: list[Json]) -> Any:
        """The parsed answer of a POST of NDJSON."""
        content = b"\n".join(_dumps(line) for line in lines)
        return self._call("POST", path, content, "application/x-ndjson").json

    def patch(self, path: str, body: Json) -> Any:
        """The parsed answer of a PATCH."""
        return self._call("PATCH", path, _dumps(body)).json

    def put(self, path: str, body: Json) -> Any:
        """The parsed answer of a PUT."""
        return self._call("PUT", path, _dumps(body)).json

    def download(self, path: str, *, language: str = "en", **query: str) -> Answer:
        """A file, in a language where it has words."""
        target = path + (f"?{urlencode(query)}" if query else "")
        headers = self._headers() | {"Accept": "*/*", "Accept-Language": language}
        answer = self.transport.send("GET", self.base + target, headers, b"")
        if answer.status not in SUCCESS:
            raise Unexpected("GET", self.base + target, answer)
        return answer

    def pages(self, path: str, **query: str | int) -> Iterator[Any]:
        """Every row of a list, page by page."""
        page = self.get(path, limit=200, **query)
        while True:
            yield from page["results"]
            if not page["next"]:
                return
            target = page["next"]
            page = self._call("GET", target[target.index(self.base) + len(self.base) :]).json

    def operation(self, answer: Json) -> Any:
        """What long work came to, once it is over; ``answer`` is the 202's body. Raises NotDone unless it succeeded."""
        path = f"/operations/{answer['id']}"

        def finished() -> Any:
            state = self.get(path)
            return state if state["state"] not in {"pending", "running"} else None

        state = wait_for(f"operation {answer['id']}", finished)
        if state["state"] != "succeeded":
            raise NotDone(state)
        return state

    def refused(self, status: int, method: str, path: str, body: Json | None = None) -> Any:
        """The problem document of a call that must be refused with ``status``."""
        answer = self._send(method, path, _dumps(body) if body is not None else b"", "application/json")
        if answer.status != status:
            raise Unexpected(method, f"{self.base}{path} (expected {status})", answer)
        return answer.json

    def _call(self, method: str, path: str, content: bytes = b"", media_type: str = "application/json") -> Answer:
        answer = self._send(method, path, content, media_type)
        if answer.status not in SUCCESS:
            raise Unexpected(method, self.base + path, answer)
        return answer

    def _send(self, method: str, path: str, content: bytes, media_type: str) -> Answer:
        headers = self._headers()
        if content:
            headers["Content-Type"] = media_type
        if method == "POST":
            headers["Idempotency-Key"] = secrets.token_hex(16)
        return self.transport.send(method, self.base + path, headers, content)

    def _headers(self) -> dict[str, str]:
        return {"Accept": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})


def _dumps(value: Any) -> bytes:
    return json.dumps({} if value is None else value, ensure_ascii=False).encode()


def _multipart(fields: Json, files: Mapping[str, File]) -> tuple[bytes, str]:
    boundary = f"cadre-{secrets.token_hex(12)}"
    parts = []
    for name, value in fields.items():
        parts.append(f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode())
    for name, file in files.items():
        head = (
            f'Content-Disposition: form-data; name="{name}"; filename="{file.name}"\r\nContent-Type: {file.media_type}'
        )
        parts.append(f"{head}\r\n\r\n".encode() + file.content)
    lines = b"".join(f"--{boundary}\r\n".encode() + part + b"\r\n" for part in parts)
    return lines + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"
