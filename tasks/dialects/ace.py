"""ACE (Mercor apex-evals): criteria with gates ("hurdles") and grounding flags, alone or in a task.

Two spellings are in use, and each is written back as it came: data-set rows say
`text, hurdle, grounded`, the harness's test cases say `description, hurdle_tag,
grounded_status`.
"""

from __future__ import annotations

from typing import Any, Final

from tasks.dialects.reading import NotExpressible, Reader, below, is_texts, kept, leftovers
from tasks.rubric_content import Criterion, Kind, Rubric, ScorePolicy

NAME: Final = "ace"

_HURDLE: Final = {"Hurdle": True, "Not": False}
_GROUNDED: Final = {"Grounded": True, "Not Grounded": False}


def read(document: object) -> Rubric:
    """A list of criteria, or a task whose other fields are kept."""
    reader = Reader()
    task = document if isinstance(document, dict) else None
    items = document if task is None else task.get("criteria")
    at = "" if task is None else "/criteria"
    criteria = tuple(_criterion(reader, raw, pointer) for pointer, raw in reader.objects(items, at))
    reader.finish()
    extra = {} if task is None else {NAME: leftovers(task, ("criteria",))}
    return Rubric(score_policy=ScorePolicy.GATED, criteria=criteria, extra=extra)


def _criterion(reader: Reader, raw: dict[str, Any], pointer: str) -> Criterion:
    used = {"type"} if isinstance(raw.get("type"), str) else set()
    key = _id(reader, raw, pointer)
    if isinstance(raw.get("criterion_id"), str):
        used.add("criterion_id")
    if "description" in raw:
        text, gate = reader.text(raw, "description", pointer), _HURDLE.get(str(raw.get("hurdle_tag")))
        grounded = _GROUNDED.get(str(raw.get("grounded_status")))
        used |= {name for name, known in (("hurdle_tag", gate), ("grounded_status", grounded)) if known is not None}
    else:
        text, gate = reader.text(raw, "text", pointer), reader.flag(raw, "hurdle", pointer)
        grounded = reader.flag(raw, "grounded", pointer)
        used |= {"hurdle", "grounded"} & set(raw)
    return Criterion(
        id=key,
        text=text,
        category=raw["type"] if "type" in used else None,
        is_gate=bool(gate),
        needs_grounding=bool(grounded),
        extra={NAME: {"spelling": sorted(used | {_text_field(raw)}), **leftovers(raw, used | {"text", "description"})}},
    )


def _id(reader: Reader, raw: dict[str, Any], pointer: str) -> str:
    value = raw.get("criterion_id")
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return str(value)
    reader.note(below(pointer, "criterion_id"), "required", "Must be a string or a whole number.")
    return ""


def _text_field(raw: dict[str, Any]) -> str:
    return "description" if "description" in raw else "text"


def write(rubric: Rubric) -> list[dict[str, Any]] | dict[str, Any]:
    """The criteria; inside their task when they came in one."""
    if rubric.score_policy is not ScorePolicy.GATED:
        raise NotExpressible("ACE scores by gates.")
    if any(c.kind is not Kind.BINARY for c in rubric.criteria):
        raise NotExpressible("ACE criteria are met or not met.")
    items = [_item(criterion) for criterion in rubric.criteria]
    return items if NAME not in rubric.extra else {**kept(rubric.extra, NAME), "criteria": items}


def _item(criterion: Criterion) -> dict[str, Any]:
    more = kept(criterion.extra, NAME)
    spelling = more.pop("spelling", None)
    if not is_texts(spelling):
        spelling = ["criterion_id", "text", "type", "hurdle", "grounded"]
    said: dict[str, Any] = {
        "criterion_id": criterion.id,
        "text": criterion.text,
        "description": criterion.text,
        "type": criterion.category,
        "hurdle": criterion.is_gate,
        "grounded": criterion.needs_grounding,
        "hurdle_tag": "Hurdle" if criterion.is_gate else "Not",
        "grounded_status": "Grounded" if criterion.needs_grounding else "Not Grounded",
    }
    if criterion.category is None:
        del said["type"]
    return {**more, **{name: said[name] for name in spelling if name in said}}
