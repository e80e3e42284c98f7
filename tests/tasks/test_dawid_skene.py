"""EM on the anaesthetists' data of 1979, and on small cases that can be seen through."""

from __future__ import annotations

import pytest

from tasks.dawid_skene import estimate
from tests.shared_data import shared_json


def test_the_published_example_converges_to_its_known_answer() -> None:
    data = shared_json("rubrics", "dawid_skene_1979.json")
    answers = [
        (patient, observer, answer)
        for patient, observers in data["responses"].items()
        for observer, given in observers.items()
        for answer in given
    ]
    expected = data["expected"]
    result = estimate(answers, (1, 2, 3, 4), tolerance=1e-12)
    assert result.converged
    assert result.labels == expected["labels"]
    assert list(result.marginals.values()) == pytest.approx(expected["class_marginals"], abs=1e-6)
    for patient, posterior in expected["posterior"].items():
        assert list(result.posteriors[patient].values()) == pytest.approx(posterior, abs=1e-6)


SEVEN = [f"i{n}" for n in range(7)]


def _votes() -> list[tuple[str, str, str]]:
    # Two careful raters, and a contrary one who says the opposite of the truth.
    truth = dict(zip(SEVEN, "aababba", strict=True))
    contrary = {"a": "b", "b": "a"}
    careful = [(item, rater, truth[item]) for item in SEVEN for rater in ("r1", "r2")]
    return careful + [(item, "r3", contrary[truth[item]]) for item in SEVEN]


def test_a_contrary_rater_is_seen_through() -> None:
    result = estimate(_votes(), ("a", "b"))
    assert "".join(str(result.labels[item]) for item in SEVEN) == "aababba"
    assert result.error_rates["r3"]["a"]["b"] == pytest.approx(1)
    assert result.error_rates["r1"]["a"]["a"] == pytest.approx(1)


def test_gold_keeps_its_class_and_teaches_about_raters() -> None:
    split = [
        ("x", "r1", "a"),
        ("x", "r2", "b"),
        ("g1", "r1", "a"),
        ("g1", "r2", "a"),
        ("g2", "r1", "b"),
        ("g2", "r2", "a"),
    ]
    result = estimate(split, ("a", "b"), gold={"g1": "a", "g2": "b"})
    assert result.posteriors["g2"] == {"a": 0, "b": 1}
    assert result.labels["x"] == "a", "r1 was right on the gold, r2 says a to everything"


def test_hundreds_of_answers_to_one_item_do_not_underflow() -> None:
    answers = [("x", f"r{n}", "a" if n % 3 else "b") for n in range(900)] + [("y", f"r{n}", "b") for n in range(900)]
    result = estimate(answers, ("a", "b"))
    assert sum(result.posteriors["x"].values()) == pytest.approx(1)


def test_it_stops_at_the_last_iteration_and_says_so() -> None:
    result = estimate(_votes(), ("a", "b"), most_iterations=1)
    assert (result.iterations, result.converged) == (1, False)


def test_nothing_and_foreign_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="no answers"):
        estimate([], ("a", "b"))
    with pytest.raises(ValueError, match="'c'"):
        estimate([("x", "r1", "c")], ("a", "b"))
    with pytest.raises(ValueError, match="'c'"):
        estimate([("x", "r1", "a")], ("a", "b"), gold={"x": "c"})
