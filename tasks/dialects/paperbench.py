"""PaperBench (openai/frontier-evals): a tree of `{id, requirements, weight, sub_tasks, task_category}`.

The tree becomes a list in depth-first order, parents before children. Ids that
occur twice are read (the linter reports them) but cannot be written back.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from tasks.dialects.reading import NotExpressible, Reader, below, leftovers
from tasks.rubric_content import Criterion, Kind, Rubric, ScorePolicy

DEEPEST: Final = 50
_TAKEN: Final = ("id", "requirements", "weight", "sub_tasks")


def read(document: object) -> Rubric:
    """The tree under one root node; further fields of a node are kept."""
    reader = Reader()
    criteria: list[Criterion] = []
    # (node, pointer, parent, depth); a stack, since documents may be deeper than Python's own.
    waiting: list[tuple[object, str, str | None, int]] = [(document, "", None, 1)]
    while waiting:
        node, pointer, parent, depth = waiting.pop()
        raw = reader.mapping(node, pointer)
        criterion = _criterion(reader, raw, pointer, parent)
        criteria.append(criterion)
        children = list(reader.objects(raw.get("sub_tasks"), below(pointer, "sub_tasks")))
        if children and depth == DEEPEST:
            reader.note(pointer, "too_deep", f"A tree has at most {DEEPEST} levels.")
            continue
        waiting.extend((child, at, criterion.id, depth + 1) for at, child in reversed(children))
    reader.finish()
    return Rubric(score_policy=ScorePolicy.TREE, criteria=tuple(criteria))


def _criterion(reader: Reader, raw: dict[str, Any], pointer: str, parent: str | None) -> Criterion:
    category = reader.optional_text(raw, "task_category", pointer)
    weight = reader.required_number(raw, "weight", pointer)
    if weight < 0:
        reader.note(below(pointer, "weight"), "out_of_range", "A weight is not negative.")
    return Criterion(
        id=reader.text(raw, "id", pointer),
        text=reader.text(raw, "requirements", pointer),
        weight=weight,
        parent=parent,
        category=category,
        # A category of null is kept apart from none at all.
        extra=leftovers(raw, (*_TAKEN, "task_category") if category is not None else _TAKEN),
    )


def write(rubric: Rubric) -> dict[str, Any]:
    """The root node with everything below it."""
    if rubric.score_policy is not ScorePolicy.TREE:
        raise NotExpressible("PaperBench scores by a tree of weights.")
    if any(c.kind is not Kind.BINARY for c in rubric.criteria):
        raise NotExpressible("PaperBench leaves are met or not met.")
    twice = sorted(key for key, times in Counter(c.id for c in rubric.criteria).items() if times > 1)
    if twice:
        raise NotExpressible(f"Ids occur twice, so parents are ambiguous: {', '.join(twice)}.")
    nodes = {c.id: _node(c) for c in rubric.criteria}
    roots = [c.id for c in rubric.criteria if c.parent is None]
    for criterion in rubric.criteria:
        if criterion.parent is not None:
            nodes[criterion.parent]["sub_tasks"].append(nodes[criterion.id])
    if len(roots) != 1:
        raise NotExpressible("A PaperBench tree has exactly one root.")
    return nodes[roots[0]]


def _node(criterion: Criterion) -> dict[str, Any]:
    node: dict[str, Any] = {
        **criterion.extra,
        "id": criterion.id,
        "requirements": criterion.text,
        "weight": criterion.effective_weight,
        "sub_tasks": [],
    }
    if criterion.category is not None:
        node["task_category"] = criterion.category
    return node
