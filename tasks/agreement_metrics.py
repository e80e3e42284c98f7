"""Inter-rater agreement in plain Python.

Sources: Cohen 1960 and 1968 (weights), Fleiss 1971, Krippendorff 2011
(coincidence matrices), Gwet 2008 (AC1), Wilson 1927. Alpha is always shown
beside AC1: with one rare category a chance-corrected coefficient collapses while
raters nearly always agree (on the table 118/5/2/0 kappa is -0.023 and AC1 0.941).

A coefficient that is not defined (nothing to compare, no variation) is None,
never 0 or 1.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

# Below this many observations no figure is shown to anybody.
FEWEST_OBSERVATIONS: Final = 5
Z_95: Final = 1.959963984540054

Label = TypeVar("Label", bound=Hashable)


class Weights(StrEnum):
    """How much a disagreement between two ordered categories counts (Cohen 1968)."""

    PLAIN = "plain"
    LINEAR = "linear"
    QUADRATIC = "quadratic"


class Metric(StrEnum):
    """The level of measurement of the values Krippendorff's alpha compares."""

    NOMINAL = "nominal"
    ORDINAL = "ordinal"
    INTERVAL = "interval"
    RATIO = "ratio"


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval by percentiles."""

    low: float
    high: float


def raw_agreement(pairs: Sequence[tuple[Label, Label]]) -> float | None:
    """Share of items on which two raters say the same."""
    return sum(a == b for a, b in pairs) / len(pairs) if pairs else None


def cohen_kappa(
    pairs: Sequence[tuple[Label, Label]], categories: Sequence[Label], weights: Weights = Weights.PLAIN
) -> float | None:
    """Cohen's kappa of two raters: 1 - weighted disagreement / the same by chance.

    `categories` in their order (it matters for linear and quadratic weights) must
    hold every label; ValueError otherwise.
    """
    place = {category: index for index, category in enumerate(categories)}
    if any(label not in place for pair in pairs for label in pair):
        raise ValueError("Every label must be one of the categories.")
    cost = _COSTS[weights]
    observed = sum(cost(place[a] - place[b]) for a, b in pairs)
    rows, columns = Counter(place[a] for a, _ in pairs), Counter(place[b] for _, b in pairs)
    by_chance = sum(n * m * cost(i - j) for i, n in rows.items() for j, m in columns.items())
    return 1 - observed * len(pairs) / by_chance if by_chance else None


_COSTS: Final[Mapping[Weights, Callable[[int], float]]] = {
    Weights.PLAIN: lambda distance: float(distance != 0),
    Weights.LINEAR: lambda distance: float(abs(distance)),
    Weights.QUADRATIC: lambda distance: float(distance * distance),
}


def fleiss_kappa(units: Iterable[Sequence[Label]]) -> float | None:
    """Fleiss' kappa: every unit rated by the same number of raters (two or more), not always the same ones."""
    counts = [Counter(unit) for unit in units]
    sizes = {unit.total() for unit in counts}
    if not counts:
        return None
    if len(sizes) != 1 or min(sizes) < 2:
        raise ValueError("Every unit needs the same number of ratings, at least two.")
    raters = sizes.pop()
    observed = math.fsum(_pairwise_agreement(unit) for unit in counts) / len(counts)
    totals: Counter[Label] = Counter()
    for unit in counts:
        totals.update(unit)
    by_chance = math.fsum((n / (raters * len(counts))) ** 2 for n in totals.values())
    return (observed - by_chance) / (1 - by_chance) if by_chance < 1 else None


def _pairwise_agreement(counts: Counter[Label]) -> float:
    raters = counts.total()
    return sum(n * (n - 1) for n in counts.values()) / (raters * (raters - 1))


def gwet_ac1(units: Iterable[Sequence[Label | None]], categories: Sequence[Label]) -> float | None:
    """Gwet's AC1 for two or more raters; None marks a missing rating.

    Chance agreement is sum(p (1 - p)) / (K - 1), p a category's mean share over
    all rated units. `categories` are all that could have been used, at least two.
    """
    if len(categories) < 2:
        raise ValueError("There are at least two categories.")
    rated = [counts for unit in units if (counts := Counter(label for label in unit if label is not None))]
    compared = [_pairwise_agreement(counts) for counts in rated if counts.total() >= 2]
    if not compared:
        return None
    observed = math.fsum(compared) / len(compared)
    shares = [math.fsum(c[category] / c.total() for c in rated) / len(rated) for category in categories]
    if not math.isclose(math.fsum(shares), 1):
        raise ValueError("Every label must be one of the categories.")
    by_chance = math.fsum(p * (1 - p) for p in shares) / (len(categories) - 1)
    return (observed - by_chance) / (1 - by_chance)


def krippendorff_alpha(units: Iterable[Sequence[float | str | None]], metric: Metric = Metric.NOMINAL) -> float | None:
    """Krippendorff's alpha over units of ratings; None marks a missing rating.

    Any number of raters, any pattern of gaps; units with fewer than two ratings
    do not count. Values are numbers, or labels for the nominal metric. None when
    nothing can be paired or all values are the same.
    """
    patterns = Counter(
        tuple(sorted(Counter(value for value in unit if value is not None).items(), key=str)) for unit in units
    )
    return _alpha(patterns, metric)


_Pattern = tuple[tuple[float | str, int], ...]


def _alpha(patterns: Mapping[_Pattern, int], metric: Metric) -> float | None:
    pairable = {pattern: times for pattern, times in patterns.items() if sum(n for _, n in pattern) >= 2}
    totals: Counter[float | str] = Counter()
    for pattern, times in pairable.items():
        for value, n in pattern:
            totals[value] += n * times
    difference = _difference(metric, totals)
    observed = math.fsum(
        times * n * m * difference(a, b) / (sum(k for _, k in pattern) - 1)
        for pattern, times in pairable.items()
        for a, n in pattern
        for b, m in pattern
        if a != b
    )
    expected = math.fsum(n * m * difference(a, b) for a, n in totals.items() for b, m in totals.items() if a != b)
    return 1 - (totals.total() - 1) * observed / expected if expected else None


def _difference(metric: Metric, totals: Counter[float | str]) -> Callable[[float | str, float | str], float]:
    """The squared difference of two unequal values."""
    if metric is Metric.NOMINAL:
        return lambda _a, _b: 1.0
    numbers = sorted(_number(value) for value in totals)
    if metric is Metric.INTERVAL:
        return lambda a, b: (_number(a) - _number(b)) ** 2
    if metric is Metric.RATIO:
        return lambda a, b: ((_number(a) - _number(b)) / (_number(a) + _number(b))) ** 2
    # Ordinal: values lie at their mid-ranks.
    rank, below = {}, 0.0
    for number in numbers:
        rank[number] = below + totals[number] / 2
        below += totals[number]
    return lambda a, b: (rank[_number(a)] - rank[_number(b)]) ** 2


def _number(value: float | str) -> float:
    if isinstance(value, str):
        raise TypeError("Only the nominal metric compares labels; the others need numbers.")
    return value


def alpha_interval(
    units: Iterable[Sequence[float | str | None]],
    metric: Metric = Metric.NOMINAL,
    *,
    seed: int,
    resamples: int = 1_000,
    confidence: float = 0.95,
) -> Interval | None:
    """Percentile bootstrap of alpha over units; the same seed gives the same interval."""
    patterns = [tuple(sorted(Counter(value for value in unit if value is not None).items(), key=str)) for unit in units]
    if len(patterns) < FEWEST_OBSERVATIONS:
        return None
    chance = random.Random(seed)  # noqa: S311  # reproducible on purpose, nothing secret
    draws = (_alpha(Counter(chance.choices(patterns, k=len(patterns))), metric) for _ in range(resamples))
    alphas = sorted(alpha for alpha in draws if alpha is not None)
    if not alphas:
        return None
    tail = (1 - confidence) / 2
    last = len(alphas) - 1
    return Interval(low=alphas[math.floor(tail * last)], high=alphas[math.ceil((1 - tail) * last)])


def wilson_lower_bound(successes: int, trials: int, z: float = Z_95) -> float:
    """Lower end of Wilson's score interval for a share: what few observations can vouch for.

    0 without trials. Used instead of the raw share wherever passing matters.
    """
    if not 0 <= successes <= trials:
        raise ValueError("Successes lie between 0 and the trials.")
    if trials == 0:
        return 0.0
    share, z2 = successes / trials, z * z
    spread = z * math.sqrt((share * (1 - share) + z2 / (4 * trials)) / trials)
    return max(0.0, (share + z2 / (2 * trials) - spread) / (1 + z2 / trials))


def balanced_f1(pairs: Sequence[tuple[bool, bool]]) -> float | None:
    """HealthBench's agreement of (rater, reference) verdicts: the mean of the F1 of met and of not met.

    None unless the reference holds both verdicts.
    """
    if len({reference for _, reference in pairs}) < 2:
        return None
    scores = []
    for verdict in (True, False):
        hits = sum(a == b == verdict for a, b in pairs)
        said = sum((a == verdict) + (b == verdict) for a, b in pairs)
        scores.append(2 * hits / said)
    return math.fsum(scores) / 2


def correlation(xs: Sequence[float], ys: Sequence[float]) -> float | None:
    """Pearson's r; of two binary series it is phi, of a binary and a metric one the point-biserial.

    A criterion's discrimination is the correlation of its verdicts with the rest
    of the score (without the criterion itself). None below five observations or
    without variation.
    """
    if len(xs) != len(ys):
        raise ValueError("Both series need the same length.")
    if len(xs) < FEWEST_OBSERVATIONS:
        return None
    mean_x, mean_y = math.fsum(xs) / len(xs), math.fsum(ys) / len(ys)
    covariance = math.fsum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    spread = math.sqrt(math.fsum((x - mean_x) ** 2 for x in xs)) * math.sqrt(math.fsum((y - mean_y) ** 2 for y in ys))
    return covariance / spread if spread else None
