"""The project's own Python files, parsed once, for the tests of the house rules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FLOORS = ("core", "experts", "marketplace", "tasks", "payments", "config")


@dataclass(frozen=True)
class Source:
    """One file with its tree."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """The path from the root, for messages."""
        return str(self.path.relative_to(ROOT))

    @property
    def rooms(self) -> tuple[str, ...]:
        """The parts of the path below the floor, without the ending: ("operations", "offers")."""
        return self.path.relative_to(ROOT).with_suffix("").parts[1:]

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Every function and method."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node


@cache
def product() -> tuple[Source, ...]:
    """Every file of the six floors, without migrations."""
    return tuple(source for floor in FLOORS for source in _below(floor) if "migrations" not in source.path.parts)


def settings_text() -> str:
    """All parts of the settings, one after the other."""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "config" / "settings").glob("*.py")))


@cache
def suite() -> tuple[Source, ...]:
    """Every file of the tests."""
    return tuple(_below("tests"))


def _below(folder: str) -> Iterator[Source]:
    for path in sorted((ROOT / folder).rglob("*.py")):
        text = path.read_text()
        yield Source(path, text, ast.parse(text))


def lines_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many lines a function takes, its docstring included."""
    return (node.end_lineno or node.lineno) - node.lineno + 1
