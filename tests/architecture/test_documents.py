"""What the documents promise about the code is so: scopes, idempotency keys, links, commands."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from core.api.endpoint import Endpoint, spec_of
from core.ids import parse_id
from marketplace.scopes import NOUNS
from tests.architecture.source import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def requests() -> Iterator[tuple[str, Endpoint]]:
    """Every declared request of the API as (`GET /projects/{id}`, its declaration)."""
    for path, view in _views(get_resolver().url_patterns, ""):
        short = "/" + re.sub(r"<\w+:\w+>", "{id}", path).removeprefix("api/v1/")
        for method in METHODS:
            if (spec := spec_of(view, method)) is not None:
                yield f"{method} {short}", spec


def _views(patterns: Iterable[URLPattern | URLResolver], prefix: str) -> Iterator[tuple[str, object]]:
    for entry in patterns:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _views(entry.url_patterns, path)
        elif (view := getattr(entry.callback, "view_class", None)) is not None:
            yield path, view


def scope_table() -> str:
    """The table of `docs/api.md`, from the endpoints' declarations."""
    by_scope: dict[str, list[str]] = defaultdict(list)
    for name, spec in requests():
        by_scope[spec.scope].append(f"`{name}`")
    rows = ["| noun | `:read` | `:write` |", "|---|---|---|"]
    for noun in NOUNS:
        read, write = (", ".join(by_scope.pop(f"{noun}:{verb}", [])) for verb in ("read", "write"))
        rows.append(f"| `{noun}` | {read} | {write} |")
    assert set(by_scope) == {""}, "An endpoint asks for a scope that no key can have."
    return "\n".join(rows)


def keyed_requests() -> str:
    """The list of `docs/api.md`: what refuses to go without an Idempotency-Key."""
    return "\n".join(f"- `{name}`" for name, spec in requests() if spec.idempotency == "required")


@pytest.mark.parametrize("document", [*DOCUMENTS, ROOT / "docs" / "openapi.yaml"], ids=lambda path: path.name)
def test_ids_in_examples_are_ids(document: Path) -> None:
    """Whoever copies an example is told that a thing is not there, not that his id is malformed."""
    for prefix, written in set(re.findall(r"\b([a-z]{2,8})(_0[0-9a-z]{25})\b", document.read_text(encoding="utf-8"))):
        parse_id(prefix + written, prefix)


@pytest.mark.parametrize(("mark", "wanted"), [("scopes", scope_table), ("keys", keyed_requests)])
def test_the_api_page_is_held_to_the_code(mark: str, wanted: object) -> None:
    assert callable(wanted)
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    found = re.search(rf"<!-- {mark}: [^\n]*-->\n(.*?)<!-- end of {mark} -->", page, re.DOTALL)
    assert found is not None
    assert found[1].strip() == wanted(), f"Put this into docs/api.md:\n{wanted()}"


def test_the_api_page_names_what_needs_no_scope() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    free = [name for name, spec in requests() if not spec.scope and "/expert" not in name and "/sandbox/" not in name]
    assert [name for name in free if f"`{name}`" not in page] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target or target.startswith(("/", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        other = (document.parent / name).resolve() if name else document
        if not other.exists() or (anchor and anchor not in anchors(other)):
            broken.append(target)
    assert broken == []


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as code hosts make them."""
    titles = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_that_documents_name_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"`(?:[A-Z_]+=\S+ )*make ([a-z]+)", document.read_text(encoding="utf-8")))
    assert named <= targets
