"""Real published data sets that lie beside the project and are not part of it.

`CADRE_SHARED_DATA` names the folder; without it the folder `shared/data` beside
the project is tried. Tests that need a file are skipped when it is not there.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parent.parent


def shared_file(*parts: str) -> Path:
    """The path of a shared file; skips the calling test when it is absent."""
    root = Path(os.environ.get("CADRE_SHARED_DATA") or PROJECT.parent / "shared" / "data")
    path = root.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{'/'.join(parts)} is not available: set CADRE_SHARED_DATA to the folder that holds it")
    return path


def shared_json(*parts: str) -> Any:
    """The parsed content of a shared JSON file; skips the calling test when it is absent."""
    return json.loads(shared_file(*parts).read_text(encoding="utf-8"))
