"""Every dialect is read and written back without loss, and wrong forms are named by pointer."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.dialects import DIALECTS, MalformedRubric, NotExpressible, read, write
from tasks.rubric_content import Criterion, Importance, Kind, Rubric, ScorePolicy
from tests.shared_data import shared_json

EXAMPLES: list[tuple[str, Any]] = [
    ("native", {"score_policy": "points", "criteria": [{"id": "c1", "text": "Says so", "points": 5}]}),
    (
        "native",
        {
            "score_policy": "points",
            "criteria": [
                {
                    "id": "c1",
                    "text": "Depth",
                    "points": -0.5,
                    "kind": "ordinal",
                    "choices": ["no", "some", "yes"],
                    "importance": "pitfall",
                    "weight": 0,
                    "is_gate": True,
                    "needs_grounding": True,
                    "depends_on": ["c2"],
                    "tags": ["a"],
                    "sources": ["https://example.org"],
                    "justification": "because",
                    "examples": {"met": ["so"], "not_met": ["not so"]},
                    "extra": {"more": 1},
                },
                {"id": "c2", "text": "Count", "points": 1, "kind": "count", "max_occurrences": 3},
            ],
            "extra": {"source": "x"},
        },
    ),
    ("healthbench", [{"criterion": "Says so", "points": 5, "tags": ["axis:accuracy"]}]),
    ("healthbench", {"prompt_id": "p", "rubrics": [{"criterion": "x", "points": -3, "tags": [], "note": 1}]}),
    ("healthbench", {"rubrics": []}),
    ("apex", {"criterion 1": {"description": "x", "weight": "Primary objective(s)", "criterion_type": ["Reasoning"]}}),
    ("apex", [{"criterion 1": {"description": "x", "sources": "p. 3"}}, {"b": {"description": "y"}}]),
    ("apex", {"a": {"description": "x", "sources": "", "weight": "Other", "criterion_type": [], "autorating": None}}),
    (
        "apex",
        {"a": {"description": "x", "dependent_criteria": []}, "b": {"description": "y", "dependent_criteria": ["a"]}},
    ),
    ("ace", [{"criterion_id": "7", "text": "x", "type": "t", "hurdle": True, "grounded": False}]),
    (
        "ace",
        {
            "task_id": 3,
            "criteria": [
                {
                    "criterion_id": 872,
                    "id": 1,
                    "description": "x",
                    "type": "t",
                    "hurdle_tag": "Hurdle",
                    "grounded_status": "Not Grounded",
                },
                {
                    "criterion_id": 873,
                    "id": 2,
                    "description": "y",
                    "type": "",
                    "hurdle_tag": "?",
                    "grounded_status": "",
                },
            ],
        },
    ),
    ("verifiers", [{"name": "a", "text": "x"}]),
    ("verifiers", {"criteria": [{"name": "a", "text": "x", "weight": 2.5, "choices": ["bad", "good"]}], "title": "t"}),
    ("verifiers", {"criteria": [{"name": "a", "text": "x", "weight": 1.0}]}),
    (
        "paperbench",
        {
            "id": "r",
            "requirements": "All",
            "weight": 1,
            "task_category": None,
            "sub_tasks": [
                {"id": "a", "requirements": "A", "weight": 2, "sub_tasks": [], "task_category": "Code Development"},
                {
                    "id": "b",
                    "requirements": "B",
                    "weight": 0,
                    "sub_tasks": [{"id": "b1", "requirements": "B1", "weight": 1, "sub_tasks": [], "score": 1.0}],
                },
            ],
        },
    ),
]


@pytest.mark.parametrize(("dialect", "document"), EXAMPLES)
def test_what_comes_in_goes_out_again(dialect: str, document: Any) -> None:
    rubric = read(dialect, document)
    assert write(dialect, rubric) == document
    assert read("native", write("native", rubric)) == rubric, "our own form keeps it too"


@pytest.mark.parametrize(
    "name",
    [
        "fixture_hex_flags.json",
        "fixture_nested_hex_flags.json",
        "fixture_trivial.json",
        "graded_semantic-self-consistency.json",
        "rubric_semantic-self-consistency.json",
    ],
)
def test_published_trees_survive(name: str) -> None:
    document = shared_json("rubrics", name)
    rubric = read("paperbench", document)
    assert write("paperbench", rubric) == document
    assert write("paperbench", read("native", write("native", rubric))) == document


def test_published_ace_tasks_survive() -> None:
    for task in shared_json("rubrics", "ace_tasks_sample.json"):
        rubric = read("ace", task)
        assert write("ace", rubric) == task
        assert sum(c.is_gate for c in rubric.criteria) == sum(c["hurdle"] for c in task["criteria"])


def test_ambiguous_parents_are_read_but_not_written() -> None:
    leaf = {"id": "r", "requirements": "A", "weight": 1, "sub_tasks": []}
    twice = {"id": "r", "requirements": "All", "weight": 1, "sub_tasks": [leaf]}
    rubric = read("paperbench", twice)
    assert [c.id for c in rubric.criteria] == ["r", "r"]
    with pytest.raises(NotExpressible, match="r"):
        write("paperbench", rubric)


def test_the_words_of_a_dialect_become_ours() -> None:
    apex = read("apex", {"a": {"description": "x", "weight": "Primary objective(s)"}})
    assert apex.criteria[0].importance is Importance.ESSENTIAL
    health = read("healthbench", [{"criterion": "x", "points": 1, "tags": []}] * 2)
    assert [c.id for c in health.criteria] == ["c1", "c2"]
    choices = read("verifiers", [{"name": "a", "text": "x", "choices": ["bad", "fair", "good"]}])
    assert (choices.score_policy, choices.criteria[0].kind) == (ScorePolicy.WEIGHTED_CHOICES, Kind.ORDINAL)


@pytest.mark.parametrize(
    ("dialect", "document", "pointer", "code"),
    [
        ("native", [], "", "not_an_object"),
        ("native", {"score_policy": "points", "criteria": 5}, "/criteria", "not_a_list"),
        ("native", {"score_policy": "luck", "criteria": []}, "/score_policy", "unknown_choice"),
        ("native", {"score_policy": "points", "criteria": [{"id": "a", "text": 5}]}, "/criteria/0/text", "wrong_type"),
        ("native", {"score_policy": "points", "criteria": [{"text": "x"}]}, "/criteria/0/id", "required"),
        (
            "native",
            {"score_policy": "points", "criteria": [{"id": "a", "text": "x", "pts/~": 1}]},
            "/criteria/0/pts~1~0",
            "unknown_field",
        ),
        (
            "native",
            {"score_policy": "points", "criteria": [{"id": "a", "text": "x", "points": True}]},
            "/criteria/0/points",
            "wrong_type",
        ),
        (
            "native",
            {"score_policy": "points", "criteria": [{"id": "a", "text": "x", "points": float("nan")}]},
            "/criteria/0/points",
            "wrong_type",
        ),
        (
            "native",
            {"score_policy": "points", "criteria": [{"id": "a", "text": "x", "max_occurrences": 0}]},
            "/criteria/0/max_occurrences",
            "out_of_range",
        ),
        ("healthbench", [{"criterion": "x", "tags": []}], "/0/points", "required"),
        ("healthbench", [{"criterion": "x", "points": 10**400, "tags": []}], "/0/points", "wrong_type"),
        ("healthbench", [{"criterion": "x", "points": float("inf"), "tags": []}], "/0/points", "wrong_type"),
        ("healthbench", {"rubrics": [{"criterion": "x", "points": 1, "tags": "a"}]}, "/rubrics/0/tags", "wrong_type"),
        ("healthbench", {}, "/rubrics", "not_a_list"),
        ("paperbench", {"id": "r", "requirements": "x", "sub_tasks": []}, "/weight", "required"),
        ("paperbench", {"id": "r", "requirements": "x", "weight": -1, "sub_tasks": []}, "/weight", "out_of_range"),
        (
            "paperbench",
            {"id": "r", "requirements": "x", "weight": 1, "sub_tasks": [7]},
            "/sub_tasks/0",
            "not_an_object",
        ),
        ("apex", {"a": 5}, "/a", "not_an_object"),
        ("apex", [{"a": {"description": "x"}, "b": {"description": "y"}}], "/0", "not_one_key"),
        ("ace", [{"text": "x", "hurdle": True}], "/0/criterion_id", "required"),
        ("ace", [{"criterion_id": "1", "text": "x", "hurdle": "yes"}], "/0/hurdle", "wrong_type"),
        ("verifiers", [{"name": "a", "text": "x", "choices": ["one"]}], "/0/choices", "too_few_choices"),
        ("verifiers", [{"name": "a", "text": "x", "weight": -1}], "/0/weight", "out_of_range"),
    ],
)
def test_a_wrong_form_is_named_by_pointer(dialect: str, document: Any, pointer: str, code: str) -> None:
    with pytest.raises(MalformedRubric) as refusal:
        read(dialect, document)
    assert (pointer, code) in [(p.pointer, p.code) for p in refusal.value.problems]


def test_a_bottomless_tree_is_refused_without_recursion() -> None:
    node: dict[str, Any] = {"id": "leaf", "requirements": "x", "weight": 1, "sub_tasks": []}
    for depth in range(5_000):
        node = {"id": str(depth), "requirements": "x", "weight": 1, "sub_tasks": [node]}
    with pytest.raises(MalformedRubric) as refusal:
        read("paperbench", node)
    assert [problem.code for problem in refusal.value.problems] == ["too_deep"]


def test_a_flood_of_problems_is_cut() -> None:
    with pytest.raises(MalformedRubric) as refusal:
        read("healthbench", [5] * 10_000)
    assert len(refusal.value.problems) == 100


def test_no_dialect_pretends_to_score_another_policy() -> None:
    for dialect in DIALECTS[1:]:
        policy = read(dialect, next(doc for name, doc in EXAMPLES if name == dialect)).score_policy
        for other in set(ScorePolicy) - {policy}:
            with pytest.raises(NotExpressible):
                write(dialect, Rubric(score_policy=other, criteria=()))


@pytest.mark.parametrize("dialect", ["healthbench", "paperbench", "apex", "ace"])
def test_yes_or_no_dialects_refuse_other_kinds(dialect: str) -> None:
    policy = {
        "healthbench": ScorePolicy.POINTS,
        "paperbench": ScorePolicy.TREE,
        "apex": ScorePolicy.PASS_RATE,
        "ace": ScorePolicy.GATED,
    }[dialect]
    counted = Criterion(id="a", text="x", points=1, kind=Kind.COUNT, max_occurrences=2)
    with pytest.raises(NotExpressible, match="met or not met"):
        write(dialect, Rubric(score_policy=policy, criteria=(counted,)))


@pytest.mark.parametrize(
    ("dialect", "policy"),
    [
        ("healthbench", ScorePolicy.POINTS),
        ("ace", ScorePolicy.GATED),
        ("apex", ScorePolicy.PASS_RATE),
        ("verifiers", ScorePolicy.WEIGHTED_CHOICES),
    ],
)
def test_extras_from_outside_cannot_break_the_writer(dialect: str, policy: ScorePolicy) -> None:
    nonsense = {dialect: 5, "criterion_id": [], "weight": {}}
    criterion = Criterion(id="a", text="x", points=1, extra=nonsense)
    document = write(dialect, Rubric(score_policy=policy, criteria=(criterion,), extra=nonsense))
    again = read(dialect, document)
    assert [c.text for c in again.criteria] == ["x"]


def test_a_native_rubric_can_be_written_as_its_dialect() -> None:
    ace = Rubric(score_policy=ScorePolicy.GATED, criteria=(Criterion(id="a", text="x", is_gate=True),))
    assert write("ace", ace) == [{"criterion_id": "a", "text": "x", "hurdle": True, "grounded": False}]
    apex = Rubric(score_policy=ScorePolicy.PASS_RATE, criteria=(Criterion(id="a", text="x", sources=("s", "t")),))
    assert write("apex", apex) == {"a": {"description": "x", "sources": "s\nt"}}
    doubled = Rubric(score_policy=ScorePolicy.PASS_RATE, criteria=apex.criteria * 2)
    with pytest.raises(NotExpressible, match="twice"):
        write("apex", doubled)
    forest = Rubric(score_policy=ScorePolicy.TREE, criteria=(Criterion(id="a", text="x"), Criterion(id="b", text="y")))
    with pytest.raises(NotExpressible, match="one root"):
        write("paperbench", forest)
