"""docs/faults.md names tests that exist, and every fault that the money must survive has one."""

from __future__ import annotations

import ast

from tests.architecture.source import ROOT
from tests.fault_table import cited, table

OF_MONEY = (
    "kill -9 before the provider call",
    "kill -9 between the provider's acceptance and our commit",
    "kill -9 of a pool child only",
    "duplicate delivery while the first copy runs",
    "broker forgets everything",
    "broker down at the commit",
    "reply to COMMIT is lost",
    "provider times out, executed or not",
    "error 500 that is cached under the key",
    "retry past the time for which the provider remembers keys",
    "same key with another amount",
    "429 and 409",
    "half a batch is refused (AC04)",
    "whole file duplicate (DUPL)",
    "death between a bank file's hand-over and our commit",
    "webhook five times in parallel",
    "webhooks out of order",
    "`paid`, then `failed` three days later",
    "forged or stale signature",
    "webhook that never comes",
    "unknown object",
    "two beats",
    "two pay runs at once",
    "two admins click release",
    "release by the preparer",
    "payable changed between calculation and release",
    "PostgreSQL dies at once, while a run is calculated",
    "edit of approved hours by ORM or SQL",
    "rows of the journal edited by a crafted form",
    "rate change mid-period",
    "retired card",
    "days of 23 and 25 hours",
    "overlapping entries posted concurrently",
    "concurrent entries that together break a cap",
    "timer left running",
    "approval, silence and dispute race",
    "dispute on pay whose payout is under way",
    "pay taken back while its payout is under way, and more than there is",
    "lab budget exhausted by parallel acceptances",
    "funding chargeback",
    "payout method changed mid-run",
    "expert blocked after the release",
    "30 % of the provider's answers are errors",
    "0 and 3 decimals, one minor unit, sums past 2^53",
    "deadlock",
    "restore of an old backup",
    "statement gap",
)
"""What must be in the list, whatever else is."""


def names_in(path: str) -> set[str]:
    """Names of the test functions of a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_fault_names_a_test_that_exists() -> None:
    assert [fault for fault in OF_MONEY if not any(fault in row for row in table())] == []
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
    named = {name for _path, name in cited()}
    found = {
        name
        for path in (ROOT / "tests" / "faults").glob("test_*.py")
        for name in names_in(str(path.relative_to(ROOT)))
        if name.startswith("test_")
    }
    assert found - named == set()
