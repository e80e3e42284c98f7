"""APEX open harness (Mercor apex-evals): `{"criterion 1": {"description", "weight", …}}`.

Either one object, or a list of objects with one key each; each is written back
as it came. The weight is a phrase ("Primary objective(s)") and becomes the
importance.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tasks.dialects.reading import NotExpressible, Reader, below, is_texts, kept, leftovers
from tasks.rubric_content import Criterion, Importance, Kind, Rubric, ScorePolicy

NAME: Final = "apex"

_IMPORTANCE: Final = {
    "Primary objective(s)": Importance.ESSENTIAL,
    "Secondary objective(s)": Importance.IMPORTANT,
}
_WEIGHT: Final = {importance: phrase for phrase, importance in _IMPORTANCE.items()}


def read(document: object) -> Rubric:
    """The criteria under their keys, which become ids."""
    reader = Reader()
    criteria = tuple(_criterion(reader, key, raw, pointer) for pointer, key, raw in _entries(reader, document))
    reader.finish()
    extra = {NAME: {"listed": True}} if isinstance(document, list) else {}
    return Rubric(score_policy=ScorePolicy.PASS_RATE, criteria=criteria, extra=extra)


def _entries(reader: Reader, document: object) -> Iterator[tuple[str, str, dict[str, Any]]]:
    if isinstance(document, list):
        for pointer, item in reader.objects(document, ""):
            if len(item) != 1:
                reader.note(pointer, "not_one_key", "Each entry has exactly one key, the criterion's name.")
            for key, raw in item.items():
                yield below(pointer, key), key, reader.mapping(raw, below(pointer, key))
    else:
        for key, raw in reader.mapping(document, "").items():
            yield below("", key), key, reader.mapping(raw, below("", key))


def _criterion(reader: Reader, key: str, raw: dict[str, Any], pointer: str) -> Criterion:
    importance = _IMPORTANCE.get(raw["weight"]) if isinstance(raw.get("weight"), str) else None
    source = raw["sources"] if isinstance(raw.get("sources"), str) and raw["sources"] else None
    tags = _texts(raw, "criterion_type")
    depends_on = _texts(raw, "dependent_criteria")
    taken = {"weight": importance, "sources": source, "criterion_type": tags, "dependent_criteria": depends_on}
    return Criterion(
        id=key,
        text=reader.text(raw, "description", pointer),
        importance=importance,
        sources=(source,) if source else (),
        tags=tags,
        depends_on=depends_on,
        # What is empty or of another form stays word for word.
        extra=leftovers(raw, {"description", *(name for name, value in taken.items() if value)}),
    )


def _texts(raw: dict[str, Any], key: str) -> tuple[str, ...]:
    value = raw.get(key)
    return tuple(value) if isinstance(value, list) and is_texts(value) else ()


def write(rubric: Rubric) -> dict[str, Any] | list[dict[str, Any]]:
    """The criteria under their ids."""
    if rubric.score_policy is not ScorePolicy.PASS_RATE:
        raise NotExpressible("APEX scores by the share of criteria met.")
    if any(c.kind is not Kind.BINARY for c in rubric.criteria):
        raise NotExpressible("APEX criteria are met or not met.")
    entries = [(criterion.id, _entry(criterion)) for criterion in rubric.criteria]
    if kept(rubric.extra, NAME).get("listed"):
        return [{key: entry} for key, entry in entries]
    document = dict(entries)
    if len(document) != len(entries):
        raise NotExpressible("Ids occur twice; an object cannot hold both.")
    return document


def _entry(criterion: Criterion) -> dict[str, Any]:
    said: dict[str, Any] = {
        "weight": _WEIGHT.get(criterion.importance) if criterion.importance else None,
        "sources": "\n".join(criterion.sources),
        "criterion_type": list(criterion.tags),
        "dependent_criteria": list(criterion.depends_on),
    }
    filled = {name: value for name, value in said.items() if value}
    return {**criterion.extra, "description": criterion.text, **filled}
