"""Dawid & Skene 1979: true labels and raters' error rates at once, by EM.

Each item has one true class; each rater has a confusion matrix (the chance of
each answer given the true class). EM alternates between estimating the matrices
from the posteriors and the posteriors from the matrices, starting with the
average of votes. Gold items keep their class throughout.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

DEFAULT_TOLERANCE: Final = 1e-9
MOST_ITERATIONS: Final = 1_000

Votes = dict[str, list[tuple[str, int]]]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What EM found.

    `posteriors[item][class]`, `labels[item]` (the likeliest class, ties to the
    earlier one), `marginals[class]`, `error_rates[rater][true class][answer]`.
    """

    posteriors: Mapping[str, Mapping[Hashable, float]]
    labels: Mapping[str, Hashable]
    marginals: Mapping[Hashable, float]
    error_rates: Mapping[str, Mapping[Hashable, Mapping[Hashable, float]]]
    iterations: int
    converged: bool


def estimate(
    answers: Iterable[tuple[str, str, Hashable]],
    classes: Sequence[Hashable],
    *,
    gold: Mapping[str, Hashable] | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
    most_iterations: int = MOST_ITERATIONS,
) -> Estimate:
    """Run EM over (item, rater, answer) until no posterior moves by more than `tolerance`.

    A rater may answer an item more than once. Raises ValueError for an answer or
    gold label outside `classes`, or when there is nothing to estimate.
    """
    place = {label: index for index, label in enumerate(classes)}
    votes: Votes = defaultdict(list)
    for item, rater, answer in answers:
        votes[item].append((rater, _place(place, answer)))
    if not votes:
        raise ValueError("There are no answers to estimate from.")
    fixed = {item: _one_hot(_place(place, label), len(classes)) for item, label in (gold or {}).items()}
    posteriors = {item: fixed.get(item) or _shares(given, len(classes)) for item, given in votes.items()}
    iterations, converged = 0, False
    while not converged and iterations < most_iterations:
        marginals, rates = _maximise(votes, posteriors, len(classes))
        updated = _expect(votes, marginals, rates, posteriors, fixed)
        converged = _largest_move(posteriors, updated) <= tolerance
        posteriors, iterations = updated, iterations + 1
    marginals, rates = _maximise(votes, posteriors, len(classes))
    return _named(classes, posteriors, marginals, rates, iterations, converged)


def _place(place: Mapping[Hashable, int], label: Hashable) -> int:
    if label not in place:
        raise ValueError(f"{label!r} is not one of the classes.")
    return place[label]


def _one_hot(index: int, size: int) -> list[float]:
    return [float(i == index) for i in range(size)]


def _shares(given: Sequence[tuple[str, int]], size: int) -> list[float]:
    counts = [0.0] * size
    for _, answer in given:
        counts[answer] += 1 / len(given)
    return counts


def _maximise(
    votes: Votes, posteriors: Mapping[str, list[float]], size: int
) -> tuple[list[float], dict[str, list[list[float]]]]:
    """Class shares and, per rater, rows of answer probabilities by true class."""
    span = range(size)
    marginals = [math.fsum(column) / len(posteriors) for column in zip(*posteriors.values(), strict=True)]
    rates: dict[str, list[list[float]]] = {}
    for item, given in votes.items():
        posterior = posteriors[item]
        for rater, answer in given:
            table = rates.get(rater)
            if table is None:
                table = rates[rater] = [[0.0] * size for _ in span]
            for true in span:
                table[true][answer] += posterior[true]
    for table in rates.values():
        for row in table:
            total = sum(row)
            if total:
                row[:] = [value / total for value in row]
    return marginals, rates


def _expect(
    votes: Votes,
    marginals: Sequence[float],
    rates: Mapping[str, list[list[float]]],
    former: Mapping[str, list[float]],
    fixed: Mapping[str, list[float]],
) -> dict[str, list[float]]:
    """Posteriors by Bayes' rule, in logarithms: many small probabilities multiply to nothing."""
    logs = {
        rater: [[_log(value) for value in column] for column in zip(*table, strict=True)]
        for rater, table in rates.items()
    }
    prior = [_log(share) for share in marginals]
    updated: dict[str, list[float]] = {}
    for item, given in votes.items():
        if item in fixed:
            updated[item] = fixed[item]
            continue
        scores = prior
        for rater, answer in given:
            scores = [score + term for score, term in zip(scores, logs[rater][answer], strict=True)]
        best = max(scores)
        # Gold can contradict every class; such an item keeps what it had.
        updated[item] = _normalised(scores, best) if best > -math.inf else former[item]
    return updated


def _normalised(scores: Sequence[float], best: float) -> list[float]:
    shares = [math.exp(score - best) for score in scores]
    total = sum(shares)
    return [share / total for share in shares]


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


def _largest_move(before: Mapping[str, list[float]], after: Mapping[str, list[float]]) -> float:
    return max(abs(a - b) for item, now in after.items() for a, b in zip(before[item], now, strict=True))


def _named(
    classes: Sequence[Hashable],
    posteriors: Mapping[str, list[float]],
    marginals: Sequence[float],
    rates: Mapping[str, list[list[float]]],
    iterations: int,
    converged: bool,
) -> Estimate:
    def by_class(values: Sequence[float]) -> dict[Hashable, float]:
        return dict(zip(classes, values, strict=True))

    return Estimate(
        posteriors={item: by_class(values) for item, values in posteriors.items()},
        labels={item: classes[values.index(max(values))] for item, values in posteriors.items()},
        marginals=by_class(marginals),
        error_rates={
            rater: {true: by_class(row) for true, row in zip(classes, table, strict=True)}
            for rater, table in rates.items()
        },
        iterations=iterations,
        converged=converged,
    )
