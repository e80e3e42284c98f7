"""The rubric linter: deterministic findings with stable codes.

Structure blocks, because such a rubric cannot be scored or graded; style only
advises, because good rubrics break every rule of style now and then. What
samples of grades show is advice too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tasks.rubric_content import CANNOT_ASSESS, Criterion, Importance, Kind, Rubric, ScorePolicy
from tasks.rubric_scoring import Verdict
from tasks.rubric_style import near_duplicates, normalised, style_findings

DOMINANT_SHARE: Final = 0.4
# Below this many positive criteria one of them always carries a large share.
FEWEST_FOR_DOMINANCE: Final = 3
FEWEST_SAMPLES: Final = 2
FEWEST_SAMPLES_FOR_PAIRS: Final = 4


class Level(StrEnum):
    """Whether a finding keeps the rubric from being accepted."""

    BLOCKING = "blocking"
    ADVISORY = "advisory"


@dataclass(frozen=True, slots=True)
class Finding:
    """One remark: `criterion` is the id it is about, None for the whole rubric."""

    code: str
    level: Level
    criterion: str | None
    message: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What a project allows; the defaults suit every dialect in use."""

    min_criteria: int = 1
    max_criteria: int = 5_000
    max_abs_points: float = 10
    max_text_length: int = 4_000
    require_negative: bool = False


def lint(
    rubric: Rubric, *, limits: Limits | None = None, samples: Sequence[Mapping[str, Verdict]] = ()
) -> list[Finding]:
    """All findings, blocking ones first, each group in the order of the criteria.

    `samples` are grades of sample responses by this rubric, verdict by
    criterion id.
    """
    limits = limits or Limits()
    found = [
        *_size(rubric, limits),
        *_ids(rubric),
        *_texts(rubric, limits),
        *_references(rubric),
        *_points(rubric, limits),
        *_categories(rubric),
        *_choices(rubric),
        *_advice(rubric, limits),
        *_evidence(rubric, samples),
    ]
    place = {c.id: index for index, c in reversed(list(enumerate(rubric.criteria)))}
    return sorted(found, key=lambda f: (f.level is not Level.BLOCKING, place.get(f.criterion or "", -1)))


def blocks(findings: Iterable[Finding]) -> bool:
    """Whether any of the findings keeps the rubric from being accepted."""
    return any(finding.level is Level.BLOCKING for finding in findings)


def _block(code: str, criterion: str | None, message: str) -> Finding:
    return Finding(code, Level.BLOCKING, criterion, message)


def _advise(code: str, criterion: str | None, message: str) -> Finding:
    return Finding(code, Level.ADVISORY, criterion, message)


def _size(rubric: Rubric, limits: Limits) -> Iterator[Finding]:
    count = len(rubric.graded())
    if count < limits.min_criteria:
        yield _block("too_few_criteria", None, f"The rubric needs at least {limits.min_criteria} graded criteria.")
    if count > limits.max_criteria:
        yield _block("too_many_criteria", None, f"The rubric may have at most {limits.max_criteria} graded criteria.")


def _ids(rubric: Rubric) -> Iterator[Finding]:
    for key, times in Counter(c.id for c in rubric.criteria).items():
        if times > 1:
            yield _block("duplicate_id", key, f"The id is used {times} times.")
        if not key.strip():
            yield _block("empty_id", key, "The criterion needs an id.")
    for criterion in rubric.criteria:
        for tag, times in Counter(criterion.tags).items():
            if times > 1:
                yield _block("duplicate_tag", criterion.id, f"The tag {tag} is given {times} times.")


def _texts(rubric: Rubric, limits: Limits) -> Iterator[Finding]:
    # Under different parents the same words ask about different things.
    first: dict[tuple[str | None, str], str] = {}
    for criterion in rubric.criteria:
        text = normalised(criterion.text)
        if not text:
            yield _block("empty_text", criterion.id, "The criterion says nothing.")
            continue
        if len(criterion.text) > limits.max_text_length:
            yield _block("text_too_long", criterion.id, f"At most {limits.max_text_length} characters are allowed.")
        other = first.setdefault((criterion.parent, text), criterion.id)
        if other != criterion.id:
            yield _block("duplicate_text", criterion.id, f"It says the same as {other}.")


def _references(rubric: Rubric) -> Iterator[Finding]:
    times = Counter(c.id for c in rubric.criteria)
    parents = {c.id: ([c.parent] if c.parent is not None else []) for c in rubric.criteria}
    needs = {c.id: list(c.depends_on) for c in rubric.criteria}
    for criterion in rubric.criteria:
        if criterion.parent is not None and criterion.parent not in times:
            yield _block("dangling_parent", criterion.id, f"There is no criterion {criterion.parent} to be its parent.")
        for key in criterion.depends_on:
            if key not in times:
                yield _block("dangling_dependency", criterion.id, f"There is no criterion {key} to depend on.")
    # An id used twice is reported as such; the loops it seems to make are not real.
    unique = {key for key, count in times.items() if count == 1}
    for code, edges, word in (("cyclic_parent", parents, "parent"), ("cyclic_dependency", needs, "dependency")):
        for key in _in_cycles({key: edges[key] for key in edges if key in unique}):
            yield _block(code, key, f"It is its own {word}, directly or through others.")


def _in_cycles(edges: Mapping[str, Sequence[str]]) -> list[str]:
    """Nodes left after those without open edges are taken away again and again, less what only leads there."""
    alive = {node: {to for to in targets if to in edges} for node, targets in edges.items()}
    for graph in (alive, _reversed(alive)):
        waiting = [node for node in graph if not graph[node] & alive.keys()]
        back = _reversed(graph)
        while waiting:
            node = waiting.pop()
            alive.pop(node, None)
            waiting.extend(up for up in back[node] if up in alive and not graph[up] & alive.keys())
    return list(alive)


def _reversed(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    back: dict[str, set[str]] = {node: set() for node in graph}
    for node, targets in graph.items():
        for target in targets:
            back[target].add(node)
    return back


def _points(rubric: Rubric, limits: Limits) -> Iterator[Finding]:
    if rubric.score_policy is not ScorePolicy.POINTS:
        return
    if not any((c.points or 0) > 0 for c in rubric.criteria):
        yield _block("no_positive_points", None, "No criterion has positive points, so no score is defined.")
    for criterion in rubric.criteria:
        yield from _points_of(criterion, limits)
    if limits.require_negative and not _has_negative(rubric):
        yield _block("negative_required", None, "This project asks for at least one criterion with negative points.")


def _points_of(criterion: Criterion, limits: Limits) -> Iterator[Finding]:
    points = criterion.points
    if points is None:
        yield _block("missing_points", criterion.id, "The criterion needs points.")
    elif points == 0:
        yield _block("zero_points", criterion.id, "Zero points decide nothing.")
    elif abs(points) > limits.max_abs_points:
        yield _block("points_out_of_range", criterion.id, f"Points lie within ±{limits.max_abs_points:g}.")
    elif criterion.importance and (criterion.importance is Importance.PITFALL) != (points < 0):
        yield _block("importance_sign", criterion.id, "A pitfall has negative points, everything else positive ones.")


def _has_negative(rubric: Rubric) -> bool:
    return any((c.points or 0) < 0 for c in rubric.criteria)


def _categories(rubric: Rubric) -> Iterator[Finding]:
    if rubric.score_policy not in (ScorePolicy.TREE, ScorePolicy.WEIGHTED_CHOICES):
        return
    for criterion in rubric.criteria:
        if criterion.effective_weight < 0:
            yield _block("negative_weight", criterion.id, "A weight is not negative.")
    if rubric.score_policy is ScorePolicy.TREE:
        inner = rubric.inner_ids()
        for criterion in rubric.criteria:
            if criterion.id in inner and criterion.category is not None:
                yield _block("category_on_inner_node", criterion.id, "Only leaves carry a category.")
            if criterion.id not in inner and criterion.category is None:
                yield _block("category_missing", criterion.id, "A leaf needs a category.")


def _choices(rubric: Rubric) -> Iterator[Finding]:
    for criterion in rubric.criteria:
        wanted = criterion.kind is Kind.ORDINAL or bool(criterion.choices)
        if wanted and len(criterion.choices) < 2:
            yield _block("too_few_choices", criterion.id, "There are at least two choices.")
        if len(set(criterion.choices)) < len(criterion.choices):
            yield _block("repeated_choice", criterion.id, "No choice is listed twice.")
        if CANNOT_ASSESS in criterion.choices:
            yield _block("reserved_choice", criterion.id, f'"{CANNOT_ASSESS}" is a verdict of its own.')
        if criterion.kind is Kind.COUNT and criterion.max_occurrences is None:
            yield _block("missing_maximum", criterion.id, "A criterion that counts needs max_occurrences.")


def _advice(rubric: Rubric, limits: Limits) -> Iterator[Finding]:
    for criterion in rubric.graded():
        for code, message in style_findings(criterion):
            yield _advise(code, criterion.id, message)
        if criterion.needs_grounding and not criterion.sources:
            yield _advise("missing_source", criterion.id, "Grounding is asked for, but no source is named.")
    for one, other in near_duplicates(rubric.graded()):
        yield _advise("near_duplicate", other.id, f"It says nearly the same as {one.id}.")
    if rubric.score_policy is ScorePolicy.GATED and not any(c.is_gate for c in rubric.criteria):
        yield _advise("no_gate", None, "Without a gate the score is always zero.")
    if rubric.score_policy is ScorePolicy.POINTS:
        yield from _balance(rubric, limits)


def _balance(rubric: Rubric, limits: Limits) -> Iterator[Finding]:
    if not limits.require_negative and not _has_negative(rubric):
        yield _advise("no_negative", None, "No criterion takes points away: what would a harmful answer lose?")
    positive = [(c, c.points) for c in rubric.criteria if c.points is not None and c.points > 0]
    total = sum(points for _, points in positive)
    for criterion, points in positive:
        if len(positive) >= FEWEST_FOR_DOMINANCE and points > DOMINANT_SHARE * total:
            yield _advise(
                "dominant_criterion", criterion.id, f"It carries {points / total:.0%} of all positive points."
            )


def _evidence(rubric: Rubric, samples: Sequence[Mapping[str, Verdict]]) -> Iterator[Finding]:
    if len(samples) < FEWEST_SAMPLES:
        return
    varied: list[tuple[Criterion, tuple[Verdict, ...]]] = []
    for criterion in rubric.graded():
        verdicts = tuple(sample.get(criterion.id, CANNOT_ASSESS) for sample in samples)
        if CANNOT_ASSESS in verdicts:
            continue
        if len(set(verdicts)) == 1:
            yield _advise("uniform_verdicts", criterion.id, "Every sample has the same verdict: it tells none apart.")
        else:
            varied.append((criterion, verdicts))
    if len(samples) < FEWEST_SAMPLES_FOR_PAIRS:
        return
    first: dict[tuple[Verdict, ...], str] = {}
    for criterion, verdicts in varied:
        other = first.setdefault(verdicts, criterion.id)
        if other != criterion.id:
            yield _advise("always_agree", criterion.id, f"It agrees with {other} on every sample.")
