"""A lab with a key, its rival, and an expert, in front of the edge's own small API."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client

from core import ports, tokens
from core.api import wire
from core.models import Tenant, User

NOTES = "/api/v1/notes"


class Caller:
    """An HTTP client with credentials; bodies are given as values or as raw bytes."""

    def __init__(self, **headers: str) -> None:
        self.headers = headers
        self.client = Client()

    def __call__(
        self, method: str, path: str, body: Any = None, *, form: str = "application/json", **headers: str
    ) -> Any:
        """One request; header names are written with underscores."""
        sent = {name.replace("_", "-"): value for name, value in {**self.headers, **headers}.items()}
        raw = b"" if body is None else body if isinstance(body, bytes) else wire.dumps(body)
        return self.client.generic(method, path, raw, content_type=form if body is not None else "", headers=sent)


class Profiles:
    """Answers the kernel's question as the experts' floor would: everybody whose name is Expert has a profile."""

    def subject_of(self, user_id: int) -> int | None:
        """The user's own key stands for his profile's."""
        return user_id if User.objects.filter(pk=user_id, name="Expert").exists() else None


@pytest.fixture(autouse=True)
def _own_site(settings: LazySettings) -> None:
    settings.ROOT_URLCONF = "tests.core.api.site"


@pytest.fixture(autouse=True)
def _profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports.subjects, "_implementation", Profiles())


def lab_caller(name: str, *scopes: str) -> Caller:
    """A new lab with one key."""
    tenant = Tenant.objects.create(name=name)
    minted = tokens.mint_lab_key(tenant=tenant, name="tests", scopes=scopes or ["notes:write", "operations:read"])
    return Caller(Authorization=f"Bearer {minted.secret}")


@pytest.fixture
def lab(db: None) -> Caller:
    """A lab that may write notes."""
    return lab_caller("Lab")


@pytest.fixture
def rival(db: None) -> Caller:
    """Another lab with the same rights."""
    return lab_caller("Rival")


@pytest.fixture
def expert(db: None) -> Caller:
    """An expert with a personal token."""
    user = User.objects.create_user("expert@example.org", name="Expert")
    return Caller(Authorization=f"Bearer {tokens.mint_expert_token(user=user, name='tests').secret}")


@pytest.fixture
def anonymous(db: None) -> Caller:
    """Nobody."""
    return Caller()


def problem(response: Any, status: int, code: str) -> dict[str, Any]:
    """The problem document of a refusal, checked for what every one must have."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["code"] == code, document
    assert document["type"] == f"/problems/{code}"
    assert document["status"] == status
    assert document["request_id"] == response["X-Request-ID"]
    return document


def pointers(document: dict[str, Any]) -> dict[str, str]:
    """Pointer → code of every error in a problem document."""
    return {error["pointer"]: error["code"] for error in document["errors"]}
