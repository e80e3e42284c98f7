"""A whole site inside the test: the demo's clients over Django's test client, and every job run as soon as it is woken."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings

from config.celery import app
from config.demo.credentials import FILE_NAME, Credentials
from config.demo.stage import Stage
from config.demo.transport import Answer

Woken = deque[tuple[str, tuple[Any, ...]]]


@dataclass
class InProcess:
    """Sends requests to the test client, and has the jobs done that a request woke before it answers."""

    woken: Woken
    origin: str = "http://testserver"
    _client: Client = field(default_factory=lambda: Client(enforce_csrf_checks=True))

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """The site's answer; cookies are the caller's business."""
        given = dict(headers)
        media_type = given.pop("Content-Type", "application/octet-stream")
        self._client.cookies.clear()
        response = self._client.generic(method, path, body, content_type=media_type, headers=given)
        content = response.getvalue()
        found = {name.lower(): value for name, value in response.items()}
        found["set-cookie"] = "\n".join(morsel.OutputString() for morsel in response.cookies.values())
        response.close()
        self._work()
        return Answer(response.status_code, found, content)

    def _work(self) -> None:
        while self.woken:
            name, arguments = self.woken.popleft()
            app.tasks[name](*arguments)


@pytest.fixture
def stage(transactional_db: None, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A seeded instance and the callers of the demo's cast."""
    woken: Woken = deque()
    monkeypatch.setattr(app, "send_task", lambda name, args=(), **_options: woken.append((name, tuple(args))))
    app.finalize()
    settings.CADRE_HOME, settings.DEVELOPMENT = tmp_path, True
    settings.MEDIA_ROOT = str(tmp_path / "media")
    call_command("seed")
    return Stage(
        connect=lambda: InProcess(woken),
        credentials=Credentials.read(tmp_path / FILE_NAME),
        say=lambda text: None,
    )
