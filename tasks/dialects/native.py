"""Our own JSON: `{"score_policy": "points", "criteria": [{"id", "text", "points", …}]}`.

Unknown fields are refused; defaults are left out when writing.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, TypeVar

from tasks.dialects.reading import Reader, below
from tasks.rubric_content import Criterion, Importance, Kind, Rubric, ScorePolicy

_RUBRIC_FIELDS: Final = ("score_policy", "criteria", "extra")
_CRITERION_FIELDS: Final = (
    "id",
    "text",
    "points",
    "kind",
    "choices",
    "max_occurrences",
    "importance",
    "parent",
    "weight",
    "category",
    "is_gate",
    "needs_grounding",
    "depends_on",
    "tags",
    "sources",
    "justification",
    "examples",
    "extra",
)
_LISTS: Final = ("choices", "depends_on", "tags", "sources")

_Choice = TypeVar("_Choice", bound=StrEnum)


def read(document: object) -> Rubric:
    """The rubric of a native document; MalformedRubric lists every defect of its form."""
    reader = Reader()
    raw = reader.mapping(document, "")
    reader.only(raw, _RUBRIC_FIELDS, "")
    policy = _choice(reader, raw, "score_policy", "", ScorePolicy) or ScorePolicy.POINTS
    criteria = tuple(
        read_criterion(reader, item, pointer) for pointer, item in reader.objects(raw.get("criteria"), "/criteria")
    )
    extra = reader.mapping(raw.get("extra", {}), "/extra")
    reader.finish()
    return Rubric(score_policy=policy, criteria=criteria, extra=extra)


def read_criterion(reader: Reader, raw: dict[str, Any], pointer: str) -> Criterion:
    """One criterion; defects are noted in the reader."""
    reader.only(raw, _CRITERION_FIELDS, pointer)
    examples_at = below(pointer, "examples")
    examples = reader.mapping(raw.get("examples", {}), examples_at)
    reader.only(examples, ("met", "not_met"), examples_at)
    return Criterion(
        id=reader.text(raw, "id", pointer),
        text=reader.text(raw, "text", pointer),
        points=reader.number(raw, "points", pointer),
        kind=_choice(reader, raw, "kind", pointer, Kind) or Kind.BINARY,
        max_occurrences=_whole(reader, raw, "max_occurrences", pointer),
        importance=_choice(reader, raw, "importance", pointer, Importance),
        parent=reader.optional_text(raw, "parent", pointer),
        weight=reader.number(raw, "weight", pointer),
        category=reader.optional_text(raw, "category", pointer),
        is_gate=reader.flag(raw, "is_gate", pointer),
        needs_grounding=reader.flag(raw, "needs_grounding", pointer),
        justification=reader.optional_text(raw, "justification", pointer) or "",
        examples_met=_one_or_more(reader, examples, "met", examples_at),
        examples_not_met=_one_or_more(reader, examples, "not_met", examples_at),
        extra=reader.mapping(raw.get("extra", {}), below(pointer, "extra")),
        **{name: reader.texts(raw, name, pointer) for name in _LISTS},
    )


def write(rubric: Rubric) -> dict[str, Any]:
    """The native document of a rubric."""
    document: dict[str, Any] = {
        "score_policy": rubric.score_policy.value,
        "criteria": [write_criterion(criterion) for criterion in rubric.criteria],
    }
    if rubric.extra:
        document["extra"] = dict(rubric.extra)
    return document


def write_criterion(criterion: Criterion) -> dict[str, Any]:
    """One criterion without its defaults."""
    examples = {"met": list(criterion.examples_met), "not_met": list(criterion.examples_not_met)}
    said: dict[str, Any] = {
        "kind": criterion.kind.value if criterion.kind is not Kind.BINARY else None,
        "importance": criterion.importance.value if criterion.importance else None,
        **{name: getattr(criterion, name) for name in ("points", "max_occurrences", "parent", "weight", "category")},
        **{name: list(getattr(criterion, name)) or None for name in _LISTS},
        "is_gate": criterion.is_gate or None,
        "needs_grounding": criterion.needs_grounding or None,
        "justification": criterion.justification or None,
        "examples": {key: value for key, value in examples.items() if value} or None,
        "extra": dict(criterion.extra) or None,
    }
    return {
        "id": criterion.id,
        "text": criterion.text,
        **{name: value for name, value in said.items() if value is not None},
    }


def _choice(reader: Reader, raw: dict[str, Any], key: str, pointer: str, choices: type[_Choice]) -> _Choice | None:
    value = reader.optional_text(raw, key, pointer)
    if value is None:
        return None
    try:
        return choices(value)
    except ValueError:
        forms = ", ".join(choices)
        reader.note(below(pointer, key), "unknown_choice", f"Must be one of: {forms}.")
        return None


def _whole(reader: Reader, raw: dict[str, Any], key: str, pointer: str) -> int | None:
    value = reader.number(raw, key, pointer)
    if value is None or (isinstance(value, int) and value >= 1):
        return value
    reader.note(below(pointer, key), "out_of_range", "Must be a whole number from 1.")
    return None


def _one_or_more(reader: Reader, raw: dict[str, Any], key: str, pointer: str) -> tuple[str, ...]:
    if isinstance(raw.get(key), str):
        return (raw[key],)
    return reader.texts(raw, key, pointer)
