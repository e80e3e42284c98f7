"""HealthBench (openai/simple-evals): `[{"criterion", "points", "tags"}]`, alone or as `rubrics` of an example.

Criteria have no ids there; they get `c1`, `c2`, … by position. Missing tags are
written as an empty list, which its own reader requires.
"""

from __future__ import annotations

from typing import Any, Final

from tasks.dialects.reading import NotExpressible, Reader, kept, leftovers
from tasks.rubric_content import Criterion, Kind, Rubric, ScorePolicy

NAME: Final = "healthbench"


def read(document: object) -> Rubric:
    """A list of rubric items, or a whole example whose other fields are kept."""
    reader = Reader()
    example = document if isinstance(document, dict) else None
    items = document if example is None else example.get("rubrics")
    at = "" if example is None else "/rubrics"
    criteria = tuple(
        _criterion(reader, raw, pointer, number)
        for number, (pointer, raw) in enumerate(reader.objects(items, at), start=1)
    )
    reader.finish()
    extra = {} if example is None else {NAME: leftovers(example, ("rubrics",))}
    return Rubric(score_policy=ScorePolicy.POINTS, criteria=criteria, extra=extra)


def _criterion(reader: Reader, raw: dict[str, Any], pointer: str, number: int) -> Criterion:
    return Criterion(
        id=f"c{number}",
        text=reader.text(raw, "criterion", pointer),
        points=reader.required_number(raw, "points", pointer),
        tags=reader.texts(raw, "tags", pointer),
        extra=leftovers(raw, ("criterion", "points", "tags")),
    )


def write(rubric: Rubric) -> list[dict[str, Any]] | dict[str, Any]:
    """The items; inside their example when they came in one."""
    if rubric.score_policy is not ScorePolicy.POINTS:
        raise NotExpressible("HealthBench scores by points.")
    if any(c.kind is not Kind.BINARY for c in rubric.criteria):
        raise NotExpressible("HealthBench criteria are met or not met.")
    items = [_item(criterion) for criterion in rubric.criteria]
    return items if NAME not in rubric.extra else {**kept(rubric.extra, NAME), "rubrics": items}


def _item(criterion: Criterion) -> dict[str, Any]:
    said = {"criterion": criterion.text, "points": criterion.points, "tags": list(criterion.tags)}
    return {**criterion.extra, **said}
