"""Five score policies against their sources' known values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tasks.dialects import read
from tasks.rubric_content import CANNOT_ASSESS, Criterion, Kind, Rubric, ScorePolicy
from tasks.rubric_scoring import Grade, UnusableGrades, Verdict, data_set_mean, score
from tests.shared_data import shared_json


def rubric(policy: ScorePolicy, *criteria: Criterion) -> Rubric:
    return Rubric(score_policy=policy, criteria=criteria)


def pointed(*points: float, tags: Mapping[int, tuple[str, ...]] | None = None) -> Rubric:
    criteria = (
        Criterion(id=f"c{i}", text=f"Says {i}", points=p, tags=(tags or {}).get(i, ())) for i, p in enumerate(points, 1)
    )
    return rubric(ScorePolicy.POINTS, *criteria)


def grades(*verdicts: Verdict) -> list[Grade]:
    return [Grade(f"c{i}", verdict) for i, verdict in enumerate(verdicts, 1)]


def test_points_met_over_positive_points() -> None:
    result = score(pointed(7, 5, 10, -6), grades(True, False, True, True))
    assert result.score == 0.5
    assert result.cannot_assess_rate == 0
    assert result.nodes == {"c1": 1, "c2": 0, "c3": 1, "c4": 1}


def test_an_example_may_score_below_zero_and_is_not_clipped() -> None:
    assert score(pointed(1, -5), grades(False, True)).score == -5


def test_without_positive_points_there_is_no_score() -> None:
    assert score(pointed(-1, -5), grades(False, True)).score is None


def test_fractional_points_add_up_exactly() -> None:
    assert score(pointed(0.1, 0.2, 0.3), grades(True, True, False)).score == 0.5


def test_what_cannot_be_assessed_leaves_both_sides_of_the_fraction() -> None:
    result = score(pointed(7, 5, 10, -6), grades(True, CANNOT_ASSESS, False, CANNOT_ASSESS))
    assert result.score == pytest.approx(7 / 17)
    assert result.cannot_assess_rate == 0.5
    assert result.nodes["c2"] is None
    assert score(pointed(3), grades(CANNOT_ASSESS)).score is None


def test_tags_are_scored_by_the_same_rule() -> None:
    tagged = pointed(4, 6, -2, tags={1: ("axis:accuracy",), 2: ("axis:accuracy",), 3: ("axis:safety",)})
    assert score(tagged, grades(True, False, True)).tags == {"axis:accuracy": 0.4, "axis:safety": None}


def test_ordinal_and_count_criteria_earn_their_share() -> None:
    graded = rubric(
        ScorePolicy.POINTS,
        Criterion(id="c1", text="Depth", points=4, kind=Kind.ORDINAL, choices=("none", "some", "full")),
        Criterion(id="c2", text="Examples", points=1, kind=Kind.COUNT, max_occurrences=3),
    )
    assert score(graded, grades("some", 5)).score == pytest.approx(5 / 7)
    assert score(graded, grades("none", 0)).score == 0


def test_only_the_mean_of_a_data_set_is_clipped() -> None:
    assert data_set_mean([0.5, None, -5.0, 1.0]) == 0
    assert data_set_mean([0.5, None, 1.0]) == 0.75
    assert data_set_mean([None]) is None


TREE = rubric(
    ScorePolicy.TREE,
    Criterion(id="root", text="All"),
    Criterion(id="a", text="A", parent="root", weight=3, category="Code Development"),
    Criterion(id="b", text="B", parent="root", weight=1),
    Criterion(id="b1", text="B1", parent="b", weight=1, category="Code Execution"),
    Criterion(id="b2", text="B2", parent="b", weight=1, category="Code Execution"),
)


def tree_grades(**verdicts: Verdict) -> list[Grade]:
    return [Grade(key, verdict) for key, verdict in verdicts.items()]


def test_an_inner_node_is_the_weighted_mean_of_its_children() -> None:
    result = score(TREE, tree_grades(a=True, b1=True, b2=False))
    assert result.nodes == {"a": 1, "b1": 1, "b2": 0, "b": 0.5, "root": 0.875}
    assert result.score == 0.875


def test_a_tree_leaves_out_what_cannot_be_assessed() -> None:
    assert score(TREE, tree_grades(a=True, b1=CANNOT_ASSESS, b2=False)).nodes["b"] == 0
    whole_branch = score(TREE, tree_grades(a=True, b1=CANNOT_ASSESS, b2=CANNOT_ASSESS))
    assert (whole_branch.nodes["b"], whole_branch.score) == (None, 1)


def test_weights_that_sum_to_zero_score_zero() -> None:
    weightless = rubric(
        ScorePolicy.TREE,
        Criterion(id="root", text="All"),
        Criterion(id="a", text="A", parent="root", weight=0, category="x"),
    )
    assert score(weightless, tree_grades(a=True)).score == 0


def test_a_loop_of_parents_is_no_tree() -> None:
    loop = rubric(
        ScorePolicy.TREE,
        Criterion(id="a", text="A", parent="b"),
        Criterion(id="b", text="B", parent="a"),
        Criterion(id="c", text="C"),
    )
    with pytest.raises(ValueError, match="tree"):
        score(loop, tree_grades(c=True))


def test_a_published_graded_tree_gets_its_published_scores() -> None:
    document = shared_json("rubrics", "graded_semantic-self-consistency.json")
    published: dict[str, float] = {}
    leaves: list[Grade] = []
    _collect(document, published, leaves)
    result = score(read("paperbench", document), leaves)
    assert len(published) == 102
    assert result.nodes == pytest.approx(published)
    assert result.score == pytest.approx(0.91)


def _collect(node: dict[str, Any], published: dict[str, float], leaves: list[Grade]) -> None:
    published[node["id"]] = node["score"]
    if not node["sub_tasks"]:
        leaves.append(Grade(node["id"], bool(node["score"])))
    for child in node["sub_tasks"]:
        _collect(child, published, leaves)


GATED = rubric(
    ScorePolicy.GATED,
    Criterion(id="c1", text="Gate", is_gate=True),
    Criterion(id="c2", text="More"),
    Criterion(id="c3", text="Most"),
)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ((1, 1, 0), 2),
        ((1, 1, -1), 1),
        ((0, 1, 1), 0),
        ((-1, 1, 1), 0),
        ((1, CANNOT_ASSESS, 1), 2),
        ((CANNOT_ASSESS, 1, 1), None),
    ],
)
def test_a_gate_decides_over_the_total(verdicts: tuple[Verdict, ...], expected: float | None) -> None:
    assert score(GATED, grades(*verdicts)).score == expected


def test_without_any_gate_the_total_is_zero() -> None:
    assert score(rubric(ScorePolicy.GATED, Criterion(id="c1", text="x")), grades(1)).score == 0


def test_the_pass_rate_is_a_percentage() -> None:
    four = rubric(ScorePolicy.PASS_RATE, *(Criterion(id=f"c{i}", text=str(i)) for i in range(1, 5)))
    assert score(four, grades(True, False, True, True)).score == 75
    assert score(four, grades(True, False, True, CANNOT_ASSESS)).score == pytest.approx(200 / 3)


CHOICES = rubric(
    ScorePolicy.WEIGHTED_CHOICES,
    Criterion(id="c1", text="Tone", weight=3, kind=Kind.ORDINAL, choices=("bad", "fair", "good")),
    Criterion(id="c2", text="Cites"),
)


def test_choices_are_worth_their_rank() -> None:
    assert score(CHOICES, grades("fair", "yes")).score == pytest.approx((3 * 0.5 + 1) / 4)
    assert score(CHOICES, grades("bad", "no")).score == 0
    assert score(CHOICES, grades(CANNOT_ASSESS, "yes")).score == 1


@pytest.mark.parametrize(
    ("given", "codes"),
    [
        (grades(True, False), ["missing"]),
        (grades(True, False, True, True), ["unknown_criterion"]),
        ([*grades(True, False, True), Grade("c1", True)], ["repeated"]),
        (grades("yes", 2, True), ["invalid_verdict", "invalid_verdict"]),
        (grades(True, -1, True), ["invalid_verdict"]),
    ],
)
def test_grades_answer_the_rubric_one_to_one(given: list[Grade], codes: list[str]) -> None:
    with pytest.raises(UnusableGrades) as refusal:
        score(pointed(1, 2, 3), given)
    assert [problem.code for problem in refusal.value.problems] == codes


def test_inner_nodes_are_not_graded_and_verdicts_fit_the_policy() -> None:
    with pytest.raises(UnusableGrades, match="Only leaves"):
        score(TREE, tree_grades(a=True, b=True, b1=True, b2=True))
    with pytest.raises(UnusableGrades, match="1, 0 or -1"):
        score(GATED, grades(2, 1, 1))
    with pytest.raises(UnusableGrades, match='"bad" or "fair" or "good"'):
        score(CHOICES, grades("excellent", "yes"))
    with pytest.raises(UnusableGrades, match="number of times"):
        score(
            rubric(ScorePolicy.POINTS, Criterion(id="c1", text="x", points=1, kind=Kind.COUNT, max_occurrences=2)),
            grades(True),
        )
