"""docs/faults.md names tests that exist, and every fault that the money must survive has one."""

from __future__ import annotations

import ast
import re

from tests.architecture.source import ROOT

PAGE = ROOT / "docs" / "faults.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def table() -> dict[str, list[tuple[str, str]]]:
    """Fault → the tests (file, name) that inject it."""
    rows = [line.strip("| \n").split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if "::" in line]
    return {row[0]: NAMED.findall(row[1]) for row in rows}


def names_in(path: str) -> set[str]:
    """Names of the test functions of a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_fault_names_a_test_that_exists() -> None:
    assert len(table()) >= 40
    missing = [
        f"{fault}: {path}::{name}"
        for fault, named in table().items()
        for path, name in named
        if not (ROOT / path).exists() or name not in names_in(path)
    ]
    assert missing == []
    assert [fault for fault, named in table().items() if not named] == []


def test_every_test_that_injects_a_fault_is_in_the_table() -> None:
    """Those marked as fault tests of the folder of faults: none is forgotten."""
    named = {name for tests in table().values() for _path, name in tests}
    found = {
        name
        for path in (ROOT / "tests" / "faults").glob("test_*.py")
        for name in names_in(str(path.relative_to(ROOT)))
        if name.startswith("test_")
    }
    assert found - named == set()
