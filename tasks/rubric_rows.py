"""Rubrics between their two shapes: rows of the database, and plain values that the laws read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tasks.models import Rubric, RubricCriterion
from tasks.rubric_content import Criterion, Importance, Kind, Number, ScorePolicy
from tasks.rubric_content import Rubric as Content


def content_of(rubric: Rubric) -> Content:
    """What a stored rubric says; one query, none when its criteria are prefetched."""
    return Content(
        score_policy=ScorePolicy(rubric.score_policy),
        criteria=tuple(_criterion(row) for row in sorted(rubric.criteria.all(), key=lambda row: row.position)),
        extra=rubric.extra,
    )


def rows_of(content: Content, rubric: Rubric) -> list[RubricCriterion]:
    """Unsaved rows for the criteria of a rubric."""
    return [_row(criterion, rubric, position) for position, criterion in enumerate(content.criteria, start=1)]


def _criterion(row: RubricCriterion) -> Criterion:
    return Criterion(
        id=row.key,
        text=row.text,
        points=_number(row.points),
        kind=Kind(row.kind),
        choices=tuple(row.choices),
        max_occurrences=row.max_occurrences,
        importance=Importance(row.importance) if row.importance else None,
        parent=row.parent or None,
        weight=_number(row.weight),
        category=row.category,
        is_gate=row.is_gate,
        needs_grounding=row.needs_grounding,
        depends_on=tuple(row.depends_on),
        tags=tuple(row.tags),
        sources=tuple(row.sources),
        justification=row.justification,
        examples_met=_texts(row.examples, "met"),
        examples_not_met=_texts(row.examples, "not_met"),
        extra=row.extra,
    )


def _row(criterion: Criterion, rubric: Rubric, position: int) -> RubricCriterion:
    examples: dict[str, Iterable[str]] = {"met": criterion.examples_met, "not_met": criterion.examples_not_met}
    return RubricCriterion(
        tenant_id=rubric.tenant_id,
        rubric=rubric,
        position=position,
        key=criterion.id,
        text=criterion.text,
        points=criterion.points,
        kind=criterion.kind.value,
        choices=list(criterion.choices),
        max_occurrences=criterion.max_occurrences,
        importance=criterion.importance.value if criterion.importance else "",
        parent=criterion.parent or "",
        weight=criterion.weight,
        category=criterion.category,
        is_gate=criterion.is_gate,
        needs_grounding=criterion.needs_grounding,
        depends_on=list(criterion.depends_on),
        tags=list(criterion.tags),
        sources=list(criterion.sources),
        justification=criterion.justification,
        examples={name: list(texts) for name, texts in examples.items() if texts},
        extra=dict(criterion.extra),
    )


def _number(value: float | None) -> Number | None:
    """JSON knows one kind of number; whole ones are written without a point, as they came."""
    return int(value) if value is not None and value.is_integer() else value


def _texts(examples: dict[str, Any], name: str) -> tuple[str, ...]:
    return tuple(examples.get(name, ()))
