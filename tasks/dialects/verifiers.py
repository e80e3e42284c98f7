"""verifiers 0.4 (`verifiers.v1.judges.rubric`): `{"criteria": [{"name", "text", "weight", "choices"}]}` or the bare list.

Choices run from worst to best, by default no and yes; the weight is 1 by default.
"""

from __future__ import annotations

from typing import Any, Final

from tasks.dialects.reading import NotExpressible, Reader, below, kept, leftovers
from tasks.rubric_content import Criterion, Kind, Rubric, ScorePolicy

NAME: Final = "verifiers"

_FIELDS: Final = ("name", "text", "weight", "choices")


def read(document: object) -> Rubric:
    """A list of criteria, or the object around it whose other fields are kept."""
    reader = Reader()
    around = document if isinstance(document, dict) else None
    items = document if around is None else around.get("criteria")
    at = "" if around is None else "/criteria"
    criteria = tuple(_criterion(reader, raw, pointer) for pointer, raw in reader.objects(items, at))
    reader.finish()
    extra = {NAME: {"listed": True}} if around is None else {NAME: {"around": leftovers(around, ("criteria",))}}
    return Rubric(score_policy=ScorePolicy.WEIGHTED_CHOICES, criteria=criteria, extra=extra)


def _criterion(reader: Reader, raw: dict[str, Any], pointer: str) -> Criterion:
    weight = reader.number(raw, "weight", pointer)
    if weight is not None and weight < 0:
        reader.note(below(pointer, "weight"), "out_of_range", "A weight is not negative.")
    choices = reader.texts(raw, "choices", pointer)
    if "choices" in raw and len(choices) < 2:
        reader.note(below(pointer, "choices"), "too_few_choices", "There are at least two choices.")
    return Criterion(
        id=reader.text(raw, "name", pointer),
        text=reader.text(raw, "text", pointer),
        kind=Kind.ORDINAL if choices else Kind.BINARY,
        weight=weight,
        choices=choices,
        extra=leftovers(raw, _FIELDS),
    )


def write(rubric: Rubric) -> dict[str, Any] | list[dict[str, Any]]:
    """The criteria as verifiers' `load_criteria` takes them."""
    if rubric.score_policy is not ScorePolicy.WEIGHTED_CHOICES:
        raise NotExpressible("verifiers scores by weighted choices.")
    items = [_item(criterion) for criterion in rubric.criteria]
    form = kept(rubric.extra, NAME)
    return items if form.get("listed") else {**kept(form, "around"), "criteria": items}


def _item(criterion: Criterion) -> dict[str, Any]:
    item: dict[str, Any] = {"name": criterion.id, "text": criterion.text, **leftovers(dict(criterion.extra), _FIELDS)}
    if criterion.weight is not None:
        item["weight"] = criterion.weight
    if criterion.choices:
        item["choices"] = list(criterion.choices)
    return item
