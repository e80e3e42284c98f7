"""People and files for the tests of this floor."""

from __future__ import annotations

import io
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from core import clock, tokens
from core.api import wire
from core.public import User
from experts.models import Expert
from experts.operations import profiles

PDF = b"%PDF-1.7\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
BASE = "/api/v1/expert"


def png(*, size: int = 4) -> bytes:
    """A real image."""
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), "white").save(buffer, "PNG")
    return buffer.getvalue()


def upload(
    content: bytes = PDF, *, name: str = "diploma.pdf", media_type: str = "application/pdf"
) -> SimpleUploadedFile:
    """A file as a browser sends it."""
    return SimpleUploadedFile(name, content, content_type=media_type)


def make_user(email: str, *, name: str = "", staff: bool = False) -> User:
    """Somebody with a log-in."""
    return User.objects.create_user(email, name=name, is_staff=staff)


def make_expert(email: str = "ada@example.org", *, name: str = "Ada Lovelace") -> Expert:
    """Somebody with a profile."""
    return profiles.become_expert(user=make_user(email, name=name), now=clock.now())


class Api:
    """One expert before the REST API, with a personal token."""

    def __init__(self, expert: Expert) -> None:
        self.expert = expert
        secret = tokens.mint_expert_token(user=expert.user, name="tests").secret
        self.headers = {"Authorization": f"Bearer {secret}"}
        self.client = Client(headers=self.headers)

    def get(self, path: str, **query: str) -> Any:
        """GET below /api/v1/expert."""
        return self.client.get(BASE + path, query)

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """A JSON request below /api/v1/expert."""
        raw = b"" if body is None else wire.dumps(body)
        return self.client.generic(method, BASE + path, raw, content_type="application/json")

    def post(self, path: str, body: Any = None) -> Any:
        """POST."""
        return self.send("POST", path, body)

    def patch(self, path: str, body: Any) -> Any:
        """PATCH."""
        return self.send("PATCH", path, body)

    def form(self, path: str, **fields: Any) -> Any:
        """A multipart POST."""
        return self.client.post(BASE + path, fields)
