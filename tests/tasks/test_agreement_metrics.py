"""Coefficients against the published examples of their authors."""

from __future__ import annotations

import pytest

from tasks.agreement_metrics import (
    Metric,
    Weights,
    alpha_interval,
    balanced_f1,
    cohen_kappa,
    correlation,
    fleiss_kappa,
    gwet_ac1,
    krippendorff_alpha,
    raw_agreement,
    wilson_lower_bound,
)

YES_NO = ("yes", "no")


def table(both_yes: int, yes_no: int, no_yes: int, both_no: int) -> list[tuple[str, str]]:
    return [("yes", "yes")] * both_yes + [("yes", "no")] * yes_no + [("no", "yes")] * no_yes + [("no", "no")] * both_no


def test_kappa_collapses_where_one_category_is_rare_and_ac1_does_not() -> None:
    pairs = table(118, 5, 2, 0)
    assert raw_agreement(pairs) == pytest.approx(0.944)
    assert cohen_kappa(pairs, YES_NO) == pytest.approx(-0.0234, abs=5e-5)
    assert gwet_ac1(pairs, YES_NO) == pytest.approx(0.9408, abs=5e-5)


def test_kappa_of_a_balanced_table() -> None:
    # po = 0.7, pe = 0.5 (20/5/10/15)
    assert cohen_kappa(table(20, 5, 10, 15), YES_NO) == pytest.approx(0.4)


def test_weighted_kappa_forgives_near_misses() -> None:
    ratings = [(1, 1), (1, 2), (2, 2), (2, 3), (3, 3), (3, 1)]
    plain, linear, quadratic = (cohen_kappa(ratings, (1, 2, 3), weights) for weights in Weights)
    assert plain == pytest.approx(0.25)
    assert linear == pytest.approx(0.25)
    assert quadratic == pytest.approx(0.25)
    near = [(1, 1), (1, 2), (2, 2), (2, 3), (3, 3), (3, 3)]
    plain, linear, quadratic = (cohen_kappa(near, (1, 2, 3), weights) for weights in Weights)
    assert plain is not None
    assert linear is not None
    assert quadratic is not None
    assert plain < linear < quadratic


def test_what_cannot_be_corrected_for_chance_is_undefined() -> None:
    assert cohen_kappa([("yes", "yes")] * 9, YES_NO) is None
    assert cohen_kappa([], YES_NO) is None
    assert raw_agreement([]) is None
    assert krippendorff_alpha([["a", "a"], ["a", "a"]]) is None
    assert krippendorff_alpha([["a", None], [None, "b"]]) is None
    assert gwet_ac1([["yes", None]], YES_NO) is None
    assert fleiss_kappa([]) is None
    assert fleiss_kappa([["a", "a"]]) is None


def test_a_label_outside_the_categories_is_refused() -> None:
    with pytest.raises(ValueError, match="categories"):
        cohen_kappa([("yes", "maybe")], YES_NO)
    with pytest.raises(ValueError, match="categories"):
        gwet_ac1([("yes", "maybe")], YES_NO)
    with pytest.raises(ValueError, match="two categories"):
        gwet_ac1([("yes", "yes")], ("yes",))


# Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", example C: 4 observers, 12 units.
X = None
OBSERVERS = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, X, X, X),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, X, 3),
    (X, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, X),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, X),
)


@pytest.mark.parametrize(
    ("metric", "alpha"),
    [(Metric.NOMINAL, 0.743), (Metric.ORDINAL, 0.815), (Metric.INTERVAL, 0.849), (Metric.RATIO, 0.797)],
)
def test_krippendorffs_own_example(metric: Metric, alpha: float) -> None:
    units = list(zip(*OBSERVERS, strict=True))
    assert krippendorff_alpha(units, metric) == pytest.approx(alpha, abs=5e-4)


def test_alpha_compares_labels_only_by_name() -> None:
    assert krippendorff_alpha([["a", "a"], ["b", "b"], ["a", "b"]]) == pytest.approx(4 / 9)
    with pytest.raises(TypeError, match="nominal"):
        krippendorff_alpha([["a", "b"], ["a", "a"]], Metric.ORDINAL)


def test_the_interval_of_alpha_is_reproducible_and_holds_it() -> None:
    units = list(zip(*OBSERVERS, strict=True))
    interval = alpha_interval(units, seed=7)
    assert interval is not None
    assert interval == alpha_interval(units, seed=7)
    assert interval.low < 0.743 < interval.high <= 1
    assert alpha_interval(units[:4], seed=7) is None
    assert alpha_interval([["a", "a"]] * 6, seed=7) is None


def test_fleiss_own_kind_of_table() -> None:
    # Fleiss 1971: 14 raters, 10 subjects, 5 categories, kappa 0.210.
    counts = [
        (0, 0, 0, 0, 14),
        (0, 2, 6, 4, 2),
        (0, 0, 3, 5, 6),
        (0, 3, 9, 2, 0),
        (2, 2, 8, 1, 1),
        (7, 7, 0, 0, 0),
        (3, 2, 6, 3, 0),
        (2, 5, 3, 2, 2),
        (6, 5, 2, 1, 0),
        (0, 2, 2, 3, 7),
    ]
    units = [[category for category, n in enumerate(row) for _ in range(n)] for row in counts]
    assert fleiss_kappa(units) == pytest.approx(0.210, abs=5e-4)
    with pytest.raises(ValueError, match="same number"):
        fleiss_kappa([["a", "a"], ["a", "a", "b"]])


def test_wilson_vouches_for_little_when_little_was_seen() -> None:
    assert wilson_lower_bound(0, 0) == 0
    assert wilson_lower_bound(5, 5) == pytest.approx(0.5655, abs=5e-5)
    assert wilson_lower_bound(81, 263) == pytest.approx(0.2553, abs=5e-5)  # Newcombe 1998, method 3
    assert wilson_lower_bound(0, 20) == 0
    with pytest.raises(ValueError, match="between"):
        wilson_lower_bound(3, 2)


def test_balanced_f1_weighs_both_verdicts_alike() -> None:
    pairs = [(True, True)] * 8 + [(True, False)] * 1 + [(False, False)] * 1
    assert balanced_f1(pairs) == pytest.approx((16 / 17 + 2 / 3) / 2)
    assert balanced_f1([(True, True)] * 8) is None


def test_discrimination_needs_observations_and_variation() -> None:
    assert correlation([1, 1, 0, 0, 1], [9, 8, 1, 2, 7]) == pytest.approx(7.8 / 63.84**0.5)
    assert correlation([1, 1, 0, 0], [9, 8, 1, 2]) is None
    assert correlation([1, 1, 1, 1, 1], [9, 8, 1, 2, 7]) is None
    with pytest.raises(ValueError, match="same length"):
        correlation([1], [1, 2])
