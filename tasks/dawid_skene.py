"""Dawid & Skene 1979: true labels and raters' error rates at once, by EM.

Each item has one true class; each rater has a confusion matrix (the chance of
each answer given the true class). EM alternates between estimating the matrices
from the posteriors and the posteriors from the matrices, starting with the
average of votes. Gold items keep their class throughout.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

DEFAULT_TOLERANCE: Final = 1e-9
MOST_ITERATIONS: Final = 1_000


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
    ballot = _Ballot.of(answers, classes)
    fixed = {item: _one_hot(_place(classes, label), len(classes)) for item, label in (gold or {}).items()}
    known = [fixed.get(item) for item in ballot.items]
    posteriors = [sure or shares for sure, shares in zip(known, ballot.shares(), strict=True)]
    iterations, converged = 0, False
    while not converged and iterations < most_iterations:
        updated = _expect(ballot, posteriors, known)
        converged = _largest_move(posteriors, updated) <= tolerance
        posteriors, iterations = updated, iterations + 1
    return _named(ballot, posteriors, iterations, converged)


@dataclass(frozen=True, slots=True)
class _Ballot:
    """The answers by position: a slot is one rater giving one answer."""

    classes: Sequence[Hashable]
    items: list[str]
    slots: list[tuple[str, int]]
    slots_of_item: list[list[int]]
    items_of_slot: list[list[int]]

    @classmethod
    def of(cls, answers: Iterable[tuple[str, str, Hashable]], classes: Sequence[Hashable]) -> _Ballot:
        items: dict[str, int] = {}
        slots: dict[tuple[str, int], int] = {}
        slots_of_item: list[list[int]] = []
        items_of_slot: list[list[int]] = []
        for item, rater, answer in answers:
            at = items.setdefault(item, len(items))
            slot = slots.setdefault((rater, _place(classes, answer)), len(slots))
            if at == len(slots_of_item):
                slots_of_item.append([])
            if slot == len(items_of_slot):
                items_of_slot.append([])
            slots_of_item[at].append(slot)
            items_of_slot[slot].append(at)
        if not items:
            raise ValueError("There are no answers to estimate from.")
        return cls(classes, list(items), list(slots), slots_of_item, items_of_slot)

    def shares(self) -> list[list[float]]:
        """Each item's share of votes per class: where EM starts."""
        span = range(len(self.classes))
        answered = ([self.slots[slot][1] for slot in slots] for slots in self.slots_of_item)
        return [[given.count(label) / len(given) for label in span] for given in answered]

    def rates(self, posteriors: Sequence[Sequence[float]]) -> list[list[float]]:
        """Per slot, the chance of its rater giving its answer under each true class (the M step)."""
        # Sums over columns stay inside zip and sum: this is the hot loop.
        counts = [
            [sum(column) for column in zip(*[posteriors[i] for i in items], strict=True)]
            for items in self.items_of_slot
        ]
        totals: dict[str, list[float]] = {}
        for (rater, _), count in zip(self.slots, counts, strict=True):
            former = totals.get(rater)
            totals[rater] = count if former is None else [a + b for a, b in zip(former, count, strict=True)]
        return [
            [value / total if total else 0.0 for value, total in zip(count, totals[rater], strict=True)]
            for (rater, _), count in zip(self.slots, counts, strict=True)
        ]

    def marginals(self, posteriors: Sequence[Sequence[float]]) -> list[float]:
        """Each class's share of the items."""
        return [math.fsum(column) / len(posteriors) for column in zip(*posteriors, strict=True)]


def _place(classes: Sequence[Hashable], label: Hashable) -> int:
    try:
        return classes.index(label)
    except ValueError:
        raise ValueError(f"{label!r} is not one of the classes.") from None


def _one_hot(index: int, size: int) -> list[float]:
    return [float(i == index) for i in range(size)]


def _expect(ballot: _Ballot, former: Sequence[list[float]], known: Sequence[list[float] | None]) -> list[list[float]]:
    """Posteriors by Bayes' rule, in logarithms: many small probabilities multiply to nothing."""
    logs = [[_log(value) for value in rates] for rates in ballot.rates(former)]
    prior = [_log(share) for share in ballot.marginals(former)]
    updated = []
    for at, slots in enumerate(ballot.slots_of_item):
        scores = [sum(terms) for terms in zip(prior, *[logs[slot] for slot in slots], strict=True)]
        best = max(scores)
        # Gold can contradict every class; such an item keeps what it had.
        updated.append(known[at] or (_normalised(scores, best) if best > -math.inf else former[at]))
    return updated


def _normalised(scores: Sequence[float], best: float) -> list[float]:
    shares = [math.exp(score - best) for score in scores]
    total = sum(shares)
    return [share / total for share in shares]


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


def _largest_move(before: Sequence[Sequence[float]], after: Sequence[Sequence[float]]) -> float:
    return max(abs(a - b) for old, new in zip(before, after, strict=True) for a, b in zip(old, new, strict=True))


def _named(ballot: _Ballot, posteriors: Sequence[list[float]], iterations: int, converged: bool) -> Estimate:
    classes = ballot.classes

    def by_class(values: Sequence[float]) -> dict[Hashable, float]:
        return dict(zip(classes, values, strict=True))

    error_rates: dict[str, dict[Hashable, dict[Hashable, float]]] = {}
    for (rater, answer), rates in zip(ballot.slots, ballot.rates(posteriors), strict=True):
        table = error_rates.setdefault(rater, {true: dict.fromkeys(classes, 0.0) for true in classes})
        for true, rate in zip(classes, rates, strict=True):
            table[true][classes[answer]] = rate
    return Estimate(
        posteriors={item: by_class(values) for item, values in zip(ballot.items, posteriors, strict=True)},
        labels={
            item: classes[values.index(max(values))] for item, values in zip(ballot.items, posteriors, strict=True)
        },
        marginals=by_class(ballot.marginals(posteriors)),
        error_rates=error_rates,
        iterations=iterations,
        converged=converged,
    )
