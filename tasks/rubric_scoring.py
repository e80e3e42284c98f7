"""Laws of scoring: five policies that turn verdicts into a score.

Sums are exact fractions, so a score does not depend on the order of its terms.
A verdict `cannot_assess` leaves numerator and denominator and is reported as a
rate; it is never a silent zero.

| policy | rule | source |
|---|---|---|
| points | points met / positive points; not clipped per example | HealthBench, openai/simple-evals |
| tree | leaf 0 or 1, inner node the weighted mean of its children | PaperBench, openai/frontier-evals |
| gated | sum of verdicts 1, 0, -1; 0 unless there are gates and all are 1 | ACE, Mercor apex-evals |
| pass_rate | met / all x 100 | APEX open harness |
| weighted_choices | weighted mean of rank-normalised choices | verifiers 0.4 |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from statistics import fmean
from typing import Final

from tasks.rubric_content import CANNOT_ASSESS, Criterion, Kind, Number, Rubric, ScorePolicy

Verdict = bool | int | str
# What a verdict is worth, None where it could not be assessed.
_Credits = Mapping[str, Fraction | None]


@dataclass(frozen=True, slots=True)
class Grade:
    """One verdict on one criterion.

    true/false for binary, one of the choices for ordinal, a number of times for
    count, 1/0/-1 under `gated`, or "cannot_assess".
    """

    criterion: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class GradeProblem:
    """Why the grade at `index` (None: none was given) cannot be used."""

    index: int | None
    criterion: str
    code: str
    detail: str


class UnusableGrades(ValueError):
    """The grades do not answer the rubric one to one; `problems` says where."""

    def __init__(self, problems: Sequence[GradeProblem]) -> None:
        super().__init__("; ".join(f"{p.criterion}: {p.detail}" for p in problems[:5]))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Scored:
    """A score, or None where the policy defines none.

    `nodes` gives each graded criterion's credit and each inner node's score;
    `tags` the score over each tag's criteria (policy `points`);
    `cannot_assess_rate` the share of criteria without a verdict.
    """

    score: float | None
    cannot_assess_rate: float
    nodes: Mapping[str, float | None] = field(default_factory=dict)
    tags: Mapping[str, float | None] = field(default_factory=dict)


def score(rubric: Rubric, grades: Iterable[Grade]) -> Scored:
    """Score one response. Raises UnusableGrades unless every graded criterion has one valid verdict."""
    given = list(grades)
    problems = grade_problems(rubric, given)
    if problems:
        raise UnusableGrades(problems)
    verdicts = {grade.criterion: grade.verdict for grade in given}
    graded = rubric.graded()
    worth = {c.id: _credit(c, verdicts[c.id]) for c in graded}
    nodes = _tree_nodes(rubric, worth) if rubric.score_policy is ScorePolicy.TREE else worth
    unknown = sum(credit is None for credit in worth.values())
    return Scored(
        score=_as_number(_POLICIES[rubric.score_policy](rubric, nodes)),
        cannot_assess_rate=unknown / len(graded) if graded else 0.0,
        nodes={key: _as_number(value) for key, value in nodes.items()},
        tags=_tag_scores(rubric, worth) if rubric.score_policy is ScorePolicy.POINTS else {},
    )


def data_set_mean(scores: Iterable[float | None]) -> float | None:
    """Mean of the defined scores, clipped to [0, 1] (HealthBench clips only here); None without any."""
    defined = [value for value in scores if value is not None]
    return min(1.0, max(0.0, fmean(defined))) if defined else None


def grade_problems(rubric: Rubric, grades: Sequence[Grade]) -> list[GradeProblem]:
    """Unknown, repeated, missing and invalid grades, each with a stable code."""
    criteria = {c.id: c for c in rubric.graded()}
    inner = rubric.inner_ids() if rubric.score_policy is ScorePolicy.TREE else frozenset()
    problems, seen = [], set()
    for index, grade in enumerate(grades):
        criterion = criteria.get(grade.criterion)
        if criterion is None:
            code, detail = ("not_a_leaf", "Only leaves are graded.") if grade.criterion in inner else _UNKNOWN
            problems.append(GradeProblem(index, grade.criterion, code, detail))
        elif grade.criterion in seen:
            problems.append(GradeProblem(index, grade.criterion, "repeated", "The criterion is graded twice."))
        elif not is_valid_verdict(rubric.score_policy, criterion, grade.verdict):
            detail = f"The verdict must be {expected_verdict(rubric.score_policy, criterion)}."
            problems.append(GradeProblem(index, grade.criterion, "invalid_verdict", detail))
        seen.add(grade.criterion)
    missing = (GradeProblem(None, key, "missing", "The criterion has no grade.") for key in criteria if key not in seen)
    return [*problems, *missing]


_UNKNOWN: Final = ("unknown_criterion", "The rubric has no such criterion.")


def is_valid_verdict(policy: ScorePolicy, criterion: Criterion, verdict: Verdict) -> bool:
    """Whether the verdict is of the form `expected_verdict` names."""
    if isinstance(verdict, str):
        return verdict == CANNOT_ASSESS or (_takes_choice(policy, criterion) and verdict in criterion.effective_choices)
    if _takes_choice(policy, criterion):
        return False
    if criterion.kind is Kind.COUNT:
        return not isinstance(verdict, bool) and verdict >= 0
    return verdict in ((1, 0, -1) if policy is ScorePolicy.GATED else (1, 0))


def expected_verdict(policy: ScorePolicy, criterion: Criterion) -> str:
    """The verdicts a criterion takes, in words."""
    if _takes_choice(policy, criterion):
        forms = " or ".join(f'"{choice}"' for choice in criterion.effective_choices)
    elif criterion.kind is Kind.COUNT:
        forms = "a number of times from 0"
    elif policy is ScorePolicy.GATED:
        forms = "1, 0 or -1"
    else:
        forms = "true or false"
    return f'{forms}, or "{CANNOT_ASSESS}"'


def _takes_choice(policy: ScorePolicy, criterion: Criterion) -> bool:
    return policy is ScorePolicy.WEIGHTED_CHOICES or criterion.kind is Kind.ORDINAL


def _credit(criterion: Criterion, verdict: Verdict) -> Fraction | None:
    if verdict == CANNOT_ASSESS:
        return None
    if isinstance(verdict, str):
        # verifiers: the first choice is worth 0, the last 1, the rest evenly spaced.
        choices = criterion.effective_choices
        return Fraction(choices.index(verdict), max(1, len(choices) - 1))
    if criterion.kind is Kind.COUNT:
        return Fraction(min(int(verdict), _most(criterion)))
    return Fraction(int(verdict))


def _most(criterion: Criterion) -> int:
    return (criterion.max_occurrences or 1) if criterion.kind is Kind.COUNT else 1


def _exact(number: Number | None) -> Fraction:
    # The decimal literal, not its binary neighbour: 0.1 counts as one tenth.
    return Fraction(str(number or 0))


def _as_number(value: Fraction | None) -> float | None:
    return None if value is None else float(value)


def _points(rubric: Rubric, nodes: _Credits) -> Fraction | None:
    return _points_of(rubric.criteria, nodes)


def _points_of(criteria: Iterable[Criterion], worth: _Credits) -> Fraction | None:
    met, possible = Fraction(0), Fraction(0)
    for criterion in criteria:
        credit, points = worth[criterion.id], _exact(criterion.points)
        if credit is None:
            continue
        met += points * credit
        if points > 0:
            possible += points * _most(criterion)
    return met / possible if possible else None


def _tag_scores(rubric: Rubric, worth: _Credits) -> dict[str, float | None]:
    tagged: dict[str, list[Criterion]] = {}
    for criterion in rubric.criteria:
        for tag in criterion.tags:
            tagged.setdefault(tag, []).append(criterion)
    return {tag: _as_number(_points_of(criteria, worth)) for tag, criteria in sorted(tagged.items())}


def _tree(rubric: Rubric, nodes: _Credits) -> Fraction | None:
    return _weighted_mean([c for c in rubric.criteria if c.parent is None], nodes)


def _tree_nodes(rubric: Rubric, worth: _Credits) -> dict[str, Fraction | None]:
    """Credits of the leaves and weighted means of inner nodes, children before parents."""
    children: dict[str, list[Criterion]] = {}
    for criterion in rubric.criteria:
        if criterion.parent is not None:
            children.setdefault(criterion.parent, []).append(criterion)
    nodes = dict(worth)
    order = [c for c in rubric.criteria if c.parent is None]
    for node in order:  # grows while it is walked: parents come before children
        order.extend(children.get(node.id, ()))
    if len(order) != len(rubric.criteria):
        raise ValueError("The criteria do not form a tree: a parent is missing or cyclic.")
    for node in reversed(order):
        if node.id in children:
            nodes[node.id] = _weighted_mean(children[node.id], nodes)
    return nodes


def _weighted_mean(criteria: Iterable[Criterion], nodes: _Credits) -> Fraction | None:
    """Weighted mean of what could be assessed; 0 when its weights sum to 0, None when nothing could."""
    known = [(_exact(c.effective_weight), credit) for c in criteria if (credit := nodes[c.id]) is not None]
    if not known:
        return None
    total = sum((weight for weight, _ in known), Fraction(0))
    return sum((weight * credit for weight, credit in known), Fraction(0)) / total if total else Fraction(0)


def _gated(rubric: Rubric, nodes: _Credits) -> Fraction | None:
    gates = [nodes[c.id] for c in rubric.criteria if c.is_gate]
    if not gates or any(gate is not None and gate <= 0 for gate in gates):
        return Fraction(0)
    if None in gates:
        return None  # the gate may be open or shut: no score rather than a guess
    return sum((credit for credit in nodes.values() if credit is not None), Fraction(0))


def _pass_rate(rubric: Rubric, nodes: _Credits) -> Fraction | None:
    known = [credit / _most(c) for c in rubric.criteria if (credit := nodes[c.id]) is not None]
    return 100 * sum(known, Fraction(0)) / len(known) if known else None


def _weighted_choices(rubric: Rubric, nodes: _Credits) -> Fraction | None:
    known = [c for c in rubric.criteria if nodes[c.id] is not None]
    return _weighted_mean(known, nodes) if any(c.effective_weight for c in known) else None


_POLICIES: Final[Mapping[ScorePolicy, Callable[[Rubric, _Credits], Fraction | None]]] = {
    ScorePolicy.POINTS: _points,
    ScorePolicy.TREE: _tree,
    ScorePolicy.GATED: _gated,
    ScorePolicy.PASS_RATE: _pass_rate,
    ScorePolicy.WEIGHTED_CHOICES: _weighted_choices,
}
