"""An expert, a rival, and staff."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import LazySettings

from core.public import User
from tests.experts.people import Api, make_expert, make_user


@pytest.fixture(autouse=True)
def _own_media(settings: LazySettings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = str(tmp_path)


@pytest.fixture
def ada(db: None) -> Api:
    """An expert."""
    return Api(make_expert())


@pytest.fixture
def eve(db: None) -> Api:
    """Another expert."""
    return Api(make_expert("eve@example.org", name="Eve Curious"))


@pytest.fixture
def verifier(db: None) -> User:
    """A member of staff."""
    return make_user("vera@example.org", name="Vera Fides", staff=True)


@pytest.fixture
def second(db: None) -> User:
    """Another member of staff."""
    return make_user("saul@example.org", name="Saul Second", staff=True)
