"""Laws of agreement that hold for every set of ratings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.agreement_metrics import (
    Metric,
    cohen_kappa,
    correlation,
    gwet_ac1,
    krippendorff_alpha,
    raw_agreement,
    wilson_lower_bound,
)
from tasks.consensus import Outcome, compare
from tasks.dawid_skene import estimate

labels = st.sampled_from("abc")
pairs = st.lists(st.tuples(labels, labels), max_size=30)
ratings = st.lists(st.lists(st.none() | st.integers(1, 5), min_size=3, max_size=3), max_size=15)


@given(pairs=pairs)
def test_coefficients_never_exceed_one_and_equal_it_only_without_disagreement(pairs: list[tuple[str, str]]) -> None:
    agreement = raw_agreement(pairs)
    for value in (cohen_kappa(pairs, "abc"), gwet_ac1(pairs, "abc"), krippendorff_alpha(pairs)):
        if value is not None:
            assert value <= 1 + 1e-9
            assert (value == pytest.approx(1)) == (agreement == 1)


@given(pairs=pairs)
def test_kappa_does_not_care_who_is_first(pairs: list[tuple[str, str]]) -> None:
    swapped = [(b, a) for a, b in pairs]
    assert cohen_kappa(pairs, "abc") == pytest.approx(cohen_kappa(swapped, "abc"))


@given(units=ratings, metric=st.sampled_from(Metric))
def test_alpha_does_not_depend_on_the_order_of_raters_or_units(units: list[list[int | None]], metric: Metric) -> None:
    alpha = krippendorff_alpha(units, metric)
    mixed = [sorted(unit, key=lambda value: value or 0) for unit in units]
    assert krippendorff_alpha(reversed(mixed), metric) == pytest.approx(alpha)
    assert alpha is None or alpha <= 1 + 1e-9


@given(trials=st.integers(0, 10_000), share=st.floats(0, 1))
def test_wilson_stays_below_the_share_it_vouches_for(trials: int, share: float) -> None:
    successes = int(share * trials)
    bound = wilson_lower_bound(successes, trials)
    assert 0 <= bound <= (successes / trials if trials else 0) + 1e-12


@given(series=st.lists(st.tuples(st.booleans(), st.integers(-100, 100)), max_size=30))
def test_a_correlation_lies_between_minus_one_and_one(series: list[tuple[bool, int]]) -> None:
    value = correlation([x for x, _ in series], [y for _, y in series])
    assert value is None or -1 - 1e-9 <= value <= 1 + 1e-9


@given(
    answers=st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from("rst"), labels), min_size=1, max_size=40),
    gold=st.dictionaries(st.sampled_from("xyz"), labels),
)
def test_posteriors_are_probabilities_and_gold_is_kept(
    answers: list[tuple[str, str, str]], gold: dict[str, str]
) -> None:
    result = estimate(answers, "abc", gold=gold, most_iterations=50)
    for item, posterior in result.posteriors.items():
        assert sum(posterior.values()) == pytest.approx(1)
        assert item not in gold or result.labels[item] == gold[item]
    assert sum(result.marginals.values()) == pytest.approx(1)


verdicts = st.dictionaries(labels, st.booleans() | st.just("cannot_assess"))


@given(one=verdicts, other=verdicts)
def test_consensus_is_symmetric_and_means_equal(one: dict[str, bool | str], other: dict[str, bool | str]) -> None:
    result = compare(one, other)
    assert result == compare(other, one)
    assert (result.outcome is Outcome.CONSENSUS) == (one == other)
