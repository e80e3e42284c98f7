"""The pages about money and running name everything there is: events of the ledger, settings, commands, groups, queues."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.groups import GROUPS
from payments.queries.statement_lines import KINDS
from tests.architecture.source import ROOT, settings_text

MONEY = (ROOT / "docs" / "money.md").read_text(encoding="utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
SOURCES = [path for path in sorted((ROOT / "payments").rglob("*.py")) if "migrations" not in path.parts]
WRITERS = {"NewEntry": (0, "kind"), "reversal": (None, "kind"), "ledger_sets.post": (None, "kind")}
"""What writes events, and where it takes their kind: the position and the name of the argument."""


class Module:
    """One source: its constants and its functions that hand a kind on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.constants = {
            target.id: node.value.value
            for node in self.tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name) and isinstance(node.value.value, str)
        }

    def functions(self) -> Iterator[ast.FunctionDef]:
        """All of them, nested ones too."""
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef))


MODULES = [Module(path) for path in SOURCES]
CONSTANTS = {name: value for module in MODULES for name, value in module.constants.items()}
Writers = dict[str, tuple[int | None, str]]


def posted_kinds() -> set[str]:
    """Every kind of event that some line of `payments` writes into the journal; fails where it cannot be told."""
    found: set[str] = set()
    shared: Writers = dict(WRITERS)
    for _round in range(3):  # writers that call writers that call writers
        for module in MODULES:
            own = dict(shared)
            for function in [*module.functions()] * 3:
                found |= kinds_in(module, function, own, shared)
    return found


def kinds_in(module: Module, function: ast.FunctionDef, own: Writers, shared: Writers) -> set[str]:
    """Kinds written by one function; one that takes the kind from its caller becomes a writer itself."""
    names = [argument.arg for argument in function.args.args]
    keywords = [argument.arg for argument in function.args.kwonlyargs]
    found: set[str] = set()
    for kind in kinds_given(function, own):
        for value in alternatives(kind, function):
            if isinstance(value, ast.Name) and value.id in [*names, *keywords]:
                place = (names.index(value.id) if value.id in names else None, value.id)
                own[function.name] = place
                if not function.name.startswith("_"):
                    shared[function.name] = place
                found |= default_of(module, function, value.id)
            else:
                found.add(resolved(module, value))
    return found


def alternatives(kind: ast.expr, function: ast.FunctionDef) -> list[ast.expr]:
    """What a kind can be: both sides of a condition, and whatever its local variable is set to."""
    if isinstance(kind, ast.IfExp):
        return [*alternatives(kind.body, function), *alternatives(kind.orelse, function)]
    if not isinstance(kind, ast.Name):
        return [kind]
    given = [value for name, value in assignments(function) if name == kind.id]
    return [found for value in given for found in alternatives(value, function)] or [kind]


def assignments(function: ast.FunctionDef) -> Iterator[tuple[str, ast.expr]]:
    """The local variables of a function with each value; of a pair, each half."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id, node.value
                elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs = zip(target.elts, node.value.elts, strict=True)
                    yield from ((name.id, value) for name, value in pairs if isinstance(name, ast.Name))


def kinds_given(function: ast.FunctionDef, writers: Writers) -> Iterator[ast.expr]:
    """The expressions that a function gives as a kind to something that writes."""
    for call in ast.walk(function):
        if not isinstance(call, ast.Call):
            continue
        name = ast.unparse(call.func)
        place = writers.get(name) or writers.get(name.rsplit(".", 1)[-1])
        if place is None:
            continue
        position, keyword = place
        given = next((word.value for word in call.keywords if word.arg == keyword), None)
        if given is None and position is not None and position < len(call.args):
            given = call.args[position]
        if given is not None:
            yield given


def default_of(module: Module, function: ast.FunctionDef, name: str) -> set[str]:
    """The kind that is written when the caller gives none."""
    arguments = function.args
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if argument.arg == name and default is not None:
            return {resolved(module, default)}
    return set()


def resolved(module: Module, value: ast.expr) -> str:
    """A literal, or the constant of this name."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value
    name = value.id if isinstance(value, ast.Name) else value.attr if isinstance(value, ast.Attribute) else ""
    known = module.constants.get(name, CONSTANTS.get(name))
    assert known is not None, f"{module.path.name}: the kind {ast.unparse(value)} cannot be told from the source."
    return known


def table_of_events() -> set[str]:
    """The events that the table of `docs/money.md` names."""
    section = MONEY.split("| event | debit | credit |", 1)[1].split("\n\n", 1)[0]
    cells = [line.split("|")[1] for line in section.splitlines()[2:]]
    return {name for cell in cells for name in re.findall(r"`([a-z_]+)`", cell)}


def test_every_event_that_is_posted_is_in_the_table_and_no_other() -> None:
    posted = posted_kinds()
    assert {"time_approved", "payout_initiated", "bonus", "fx_covered", "provider_credit_reversed"} <= posted
    assert posted - table_of_events() == set()
    assert table_of_events() - posted == set()


def test_every_event_on_a_statement_is_an_event() -> None:
    assert set(KINDS) - posted_kinds() == set()


def settings_read() -> set[str]:
    """The environment variables that the settings read."""
    found: set[str] = set()
    for part in (ROOT / "config" / "settings").glob("*.py"):
        for call in ast.walk(ast.parse(part.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and re.fullmatch(r"env\.\w+", ast.unparse(call.func)):
                name = call.args[0]
                assert isinstance(name, ast.Constant), f"{part.name}:{call.lineno} does not say what it reads"
                found.add(str(name.value))
    return found


def rows(page: str) -> set[str]:
    """The variables in the first column of a page's tables."""
    cells = [line.split("|")[1] for line in page.splitlines() if line.startswith("|")]
    return {name for cell in cells for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", cell)}


def test_every_setting_has_a_row() -> None:
    read = settings_read()
    assert {"DATABASE_URL", "ISSUER_VAT_ID", "PAYOUT_RAILS"} <= read
    assert sorted(read - rows(OPERATIONS)) == []


def test_every_row_of_a_setting_is_read() -> None:
    entrypoint = (ROOT / "deploy" / "entrypoint").read_text(encoding="utf-8")
    source = settings_text() + entrypoint
    assert [name for name in sorted(rows(OPERATIONS)) if name not in source] == []


COMMANDS = sorted(
    path.stem for path in ROOT.glob("*/management/commands/*.py") if path.stem not in {"__init__", "migrate"}
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_explained(command: str) -> None:
    assert re.search(rf"\b{command}\b", OPERATIONS) is not None


@pytest.mark.parametrize("group", GROUPS)
def test_every_group_has_a_row(group: str) -> None:
    assert f"| `{group}` |" in OPERATIONS


def test_every_act_of_a_group_is_told() -> None:
    section = OPERATIONS.split("### Groups", 1)[1].split("\n## ", 1)[0]
    acts = {name for names in GROUPS.values() for name in names if ".view_" not in name}
    assert [act for act in sorted(acts) if f"`{act.split('.')[1]}`" not in section] == []
