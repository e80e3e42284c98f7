"""The list of faults in `docs/faults.md`: what the money must survive, and the tests that inject it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "faults.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


@cache
def table() -> dict[str, list[tuple[str, str]]]:
    """Fault → the tests (file, name) that inject it."""
    rows = [line.strip("| \n").split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if "::" in line]
    found = {row[0]: NAMED.findall(row[1]) for row in rows}
    assert len(found) == len(rows), "a fault has two rows"
    return found


@cache
def cited() -> frozenset[tuple[str, str]]:
    """Every test (file, name) of the list."""
    return frozenset(test for named in table().values() for test in named)
