"""A folder in which embedded servers can live."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance's empty folder; pytest's own parents of it are closed to the account PostgreSQL runs as."""
    folder = tmp_path_factory.mktemp("instance")
    base = tmp_path_factory.getbasetemp()
    for part in [folder, *folder.parents]:
        if part == base or base in part.parents or part.name.startswith("pytest-"):
            part.chmod(0o711)
    return folder
