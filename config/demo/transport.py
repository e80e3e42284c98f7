"""How the demo's clients reach the site: over a real connection; tests give Django's test client instead."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Answer:
    """A response: status, headers (names in lower case, repeated ones joined by newlines), bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The parsed body; None when it is empty."""
        return json.loads(self.body) if self.body else None

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", errors="replace")


class Transport(Protocol):
    """Sends one request to the site."""

    origin: str

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """The site's answer, whatever its status; redirects are not followed."""
        ...


@dataclass
class HttpTransport:
    """One kept-alive connection to ``http://host:port``."""

    origin: str
    _connection: http.client.HTTPConnection | None = field(default=None, repr=False)

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """The site's answer. A connection that the server closed in the meantime is opened again, once."""
        for attempt in (1, 2):
            try:
                return self._send(method, path, headers, body)
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                self._connection = None
                if attempt == 2:
                    raise
                time.sleep(0.05)
        raise AssertionError

    def _send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if self._connection is None:
            parts = urlsplit(self.origin)
            self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
        self._connection.request(method, path, body=body or None, headers=dict(headers))
        response = self._connection.getresponse()
        content = response.read()
        found: dict[str, str] = {}
        for name, value in response.getheaders():
            key = name.lower()
            found[key] = f"{found[key]}\n{value}" if key in found else value
        return Answer(response.status, found, content)
