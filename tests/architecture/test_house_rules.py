"""The rules of the house that a linter cannot see."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from statistics import quantiles
from typing import Final

import pytest

from tests.architecture.source import ROOT, Source, lines_of, product, suite

SAYS_NOTHING = {"utils", "helpers", "services", "signals", "common", "misc", "tasks"}
EDGES = {"api", "jobs", "admin", "desk", "management", "demo", "views", "admin_site", "start_page", "seed"}


def _p95(sizes: list[int]) -> float:
    return quantiles(sizes, n=20)[-1]


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [s.name for s in product() if s.rooms and s.rooms[-1] in SAYS_NOTHING] == []


@pytest.mark.parametrize(("sources", "most"), [(product, 350), (suite, 500)], ids=["product", "tests"])
def test_files_keep_their_budget(sources: Callable[[], tuple[Source, ...]], most: int) -> None:
    sizes = {source.name: source.text.count("\n") for source in sources()}
    assert {name: size for name, size in sizes.items() if size > most} == {}
    assert _p95(list(sizes.values())) <= 350


@pytest.mark.parametrize("sources", [product, suite], ids=["product", "tests"])
def test_functions_keep_their_budget(sources: Callable[[], tuple[Source, ...]]) -> None:
    sizes = {f"{s.name}:{node.name}": lines_of(node) for s in sources() for node in s.functions()}
    assert {name: size for name, size in sizes.items() if size > 40} == {}
    assert _p95(list(sizes.values())) <= 25


MOST_FIELDS: Final = 15
WIDER: Final = {
    "ExpertFacts": "a view: what matching asks of a person, one column each, so that one query ranks everybody",
    "BankFile": "the request to a bank and its answer on one row, since the answer has no life without the request",
    "BankMessage": "a file as it came and whoever had a hand in it: their names guard the very row that holds the bytes",
    "Invoice": "a paper as it was issued: each figure that is printed stands on it, and none is computed again",
    "Task": "its domain is generated from its payload, so that the queue is looked through by an index",
    "RubricCriterion": "the union of what six formats of rubrics say of a criterion",
}


def test_models_keep_their_budget_of_fields() -> None:
    """Fields that a model declares itself; what it inherits and its keys to other tables do not count."""
    wide = {
        node.name: fields
        for source in product()
        if source.rooms[:1] == ("models",)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ClassDef) and (fields := _own_fields(node)) > MOST_FIELDS
    }
    assert wide.keys() == WIDER.keys()
    assert max(wide.values()) <= 20


def _own_fields(node: ast.ClassDef) -> int:
    return sum(
        isinstance(item, ast.Assign)
        and isinstance(item.value, ast.Call)
        and ast.unparse(item.value.func).endswith("Field")
        and not ast.unparse(item.value.func).endswith("OneToOneField")
        for item in node.body
    )


CATCHES_ALL: Final = {
    "core/long_work.py": "its law says which errors end the work",
    "tasks/operations/delivering.py": "that law again",
    "payments/operations/bank/bank_trouble.py": "a request of the desk, which has no such limit",
}


def test_whoever_catches_everything_lets_the_end_of_a_worker_s_time_through() -> None:
    """Celery's soft limit is an exception like any other: a loop that swallows it goes on until it is killed."""
    deaf = {
        source.name
        for source in product()
        if source.name.split("/")[0] != "config"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Try) and _catches_all(node) and not _lets_the_end_through(node)
    }
    assert deaf == CATCHES_ALL.keys()


def _caught(node: ast.Try) -> list[str]:
    return [ast.unparse(handler.type) if handler.type else "BaseException" for handler in node.handlers]


def _catches_all(node: ast.Try) -> bool:
    return not {"Exception", "BaseException"}.isdisjoint(_caught(node))


def _lets_the_end_through(node: ast.Try) -> bool:
    return any(
        handler.type is not None
        and ast.unparse(handler.type) == "SoftTimeLimitExceeded"
        and isinstance(handler.body[-1], ast.Raise)
        for handler in node.handlers
    )


def test_every_exemption_has_its_reason_beside_it() -> None:
    """Whoever silences the linter or the type checker on a line says there why that is right."""
    exemption = re.compile(r"# (?:noqa|type: ignore)\S*(?: [A-Z]+\d+,?)*(?P<rest>.*)")
    assert [
        f"{source.name}:{number}"
        for source in (*product(), *suite())
        for number, line in enumerate(source.text.splitlines(), start=1)
        if (found := exemption.search(line)) and not re.search(r"  # (?!noqa|type:).{5,}", found["rest"])
    ] == []


def test_only_operations_assign_a_status() -> None:
    assert [
        f"{source.name}:{node.lineno}"
        for source in product()
        if "operations" not in source.rooms and source.name != "core/states.py"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Attribute) and target.attr == "status" and not _is_self(target)
    ] == []


def _is_self(target: ast.Attribute) -> bool:
    return isinstance(target.value, ast.Name) and target.value.id in {"self", "response"}


def test_only_edges_read_the_clock() -> None:
    assert [
        f"{source.name}:{node.lineno}"
        for source in product()
        if not EDGES.intersection(source.rooms) and source.name != "core/clock.py"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "clock.now"
    ] == []


def test_locks_are_as_weak_as_is_right() -> None:
    """FOR NO KEY UPDATE of the table itself: a stronger lock would stop every insert that refers to the row."""
    assert [
        f"{source.name}:{node.lineno}"
        for source in product()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "select_for_update"
        and not {"no_key", "of"} <= {keyword.arg for keyword in node.keywords}
    ] == []


def test_other_floors_are_entered_by_their_door() -> None:
    """import-linter proves the layers; here the doors: public, ports and events only."""
    assert [
        f"{source.name}: {module}"
        for source in product()
        if source.path.relative_to(ROOT).parts[0] != "config"
        for module in _imports(source)
        if _is_other_floor(source, module) and module.split(".")[1:2] not in (["public"], ["ports"], ["events"])
    ] == []


def _imports(source: Source) -> list[str]:
    found = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module if "." in node.module else f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    return found


def _is_other_floor(source: Source, module: str) -> bool:
    floor = module.split(".", maxsplit=1)[0]
    return floor in {"experts", "marketplace", "tasks", "payments"} and floor != source.path.relative_to(ROOT).parts[0]


def test_every_lab_and_expert_view_starts_at_visible_to() -> None:
    """A view that reads rows does so through a queryset's gate, its own or a query function's."""
    assert [
        f"{source.name}:{node.lineno}"
        for source in product()
        if "api" in source.rooms and source.path.relative_to(ROOT).parts[0] not in {"core", "config"}
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute)
        and node.attr in {"all", "filter", "get", "exclude"}
        and _is_manager(node.value)
    ] == []


def _is_manager(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "objects"


def test_what_is_wrong_with_a_field_is_told_in_the_caller_s_language() -> None:
    """A bare string as the detail of a FieldError is English for everybody."""
    untranslated = [
        f"{source.name}:{node.lineno}"
        for source in product()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith("FieldError")
        and len(node.args) > 2
        and isinstance(node.args[2], ast.Constant)
    ]
    assert untranslated == []
