"""The lock files pin every package by hash and name no host: they install from any registry."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted(ROOT.glob("requirements*.lock"))


def requirements(lock: Path) -> list[str]:
    """One string per requirement, its hashes included."""
    text = re.sub(r"^\s*#.*\n", "", lock.read_text(), flags=re.MULTILINE)
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def test_there_is_a_lock_for_running_developing_measuring_and_for_the_installer() -> None:
    names = [lock.name for lock in LOCKS]
    assert names == ["requirements-bench.lock", "requirements-dev.lock", "requirements-uv.lock", "requirements.lock"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_names_no_host(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_pins_everything_by_hash(lock: Path) -> None:
    for requirement in requirements(lock):
        assert re.match(r"^[a-z0-9_.-]+(\[[a-z,]+\])?==\S+", requirement), requirement
        assert "--hash=sha256:" in requirement, requirement


def test_the_development_lock_agrees_with_the_production_lock() -> None:
    def versions(name: str) -> dict[str, str]:
        pairs = (line.split()[0].split("==") for line in requirements(ROOT / name))
        return dict(pairs)

    development = versions("requirements-dev.lock")
    assert {package: development.get(package) for package in versions("requirements.lock")} == versions(
        "requirements.lock"
    )
