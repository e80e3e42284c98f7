"""The linter: structure blocks, style only advises, and good rubrics pass in silence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tasks.dialects import read
from tasks.rubric_content import CANNOT_ASSESS, Criterion, Importance, Kind, Rubric, ScorePolicy
from tasks.rubric_lint import Level, Limits, blocks, lint
from tasks.rubric_scoring import Verdict
from tests.shared_data import shared_json


def crit(key: str, text: str = "", points: float | None = 2, **more: Any) -> Criterion:
    return Criterion(id=key, text=text or f"Names the drug {key}", points=points, **more)


def codes(*criteria: Criterion, policy: ScorePolicy = ScorePolicy.POINTS, limits: Limits | None = None) -> set[str]:
    findings = lint(Rubric(score_policy=policy, criteria=criteria), limits=limits)
    return {f"{f.level.value}:{f.code}" for f in findings}


GOOD = (
    crit("c1", "States that adults take at most 4 g of paracetamol a day", 7),
    crit("c2", "Asks whether the patient drinks alcohol", 5),
    crit("c3", "Recommends calling a poison centre after an overdose", 6),
    crit("c4", "Recommends a double dose against stronger pain", -8, importance=Importance.PITFALL),
)


def test_a_good_rubric_passes_in_silence() -> None:
    assert codes(*GOOD) == set()


@pytest.mark.parametrize(
    ("code", "bad"),
    [
        ("duplicate_id", (crit("c1", "Something else"),)),
        ("empty_id", (crit(" ", "Something else"),)),
        ("zero_points", (crit("x", points=0),)),
        ("missing_points", (crit("x", points=None),)),
        ("points_out_of_range", (crit("x", points=-10.5),)),
        ("empty_text", (crit("x", " …! "),)),
        ("text_too_long", (crit("x", "word " * 1_000),)),
        ("dangling_parent", (crit("x", parent="nobody"),)),
        ("dangling_dependency", (crit("x", depends_on=("nobody",)),)),
        ("cyclic_parent", (crit("x", parent="y"), crit("y", parent="x"))),
        ("cyclic_parent", (crit("x", parent="x"),)),
        ("cyclic_dependency", (crit("x", depends_on=("y",)), crit("y", depends_on=("x",)))),
        ("duplicate_tag", (crit("x", tags=("a", "a")),)),
        ("duplicate_text", (crit("x", "asks whether the patient drinks ALCOHOL."),)),
        ("too_few_choices", (crit("x", kind=Kind.ORDINAL, choices=("one",)),)),
        ("too_few_choices", (crit("x", kind=Kind.ORDINAL),)),
        ("repeated_choice", (crit("x", kind=Kind.ORDINAL, choices=("a", "b", "a")),)),
        ("reserved_choice", (crit("x", kind=Kind.ORDINAL, choices=("a", CANNOT_ASSESS)),)),
        ("missing_maximum", (crit("x", kind=Kind.COUNT),)),
        ("importance_sign", (crit("x", importance=Importance.PITFALL),)),
        ("importance_sign", (crit("x", points=-1, importance=Importance.ESSENTIAL),)),
    ],
)
def test_a_broken_structure_blocks(code: str, bad: tuple[Criterion, ...]) -> None:
    assert codes(*GOOD, *bad) == {f"blocking:{code}"}


def test_a_rubric_needs_positive_points() -> None:
    assert "blocking:no_positive_points" in codes(crit("x", points=-1))


def test_a_project_sets_limits() -> None:
    strict = Limits(min_criteria=5, require_negative=True)
    assert codes(*GOOD[:3], limits=strict) == {"blocking:too_few_criteria", "blocking:negative_required"}
    assert codes(*GOOD, limits=Limits(max_criteria=3, max_abs_points=8)) == {"blocking:too_many_criteria"}
    assert codes(limits=None) == {"blocking:too_few_criteria", "blocking:no_positive_points", "advisory:no_negative"}


def test_only_leaves_of_a_tree_carry_a_category() -> None:
    root = Criterion(id="r", text="All", category="Code Development")
    leaf = Criterion(id="a", text="A", parent="r", weight=-1)
    assert codes(root, leaf, policy=ScorePolicy.TREE) == {
        "blocking:category_on_inner_node",
        "blocking:category_missing",
        "blocking:negative_weight",
    }


def test_the_same_words_under_another_parent_are_another_question() -> None:
    tree = (
        Criterion(id="r", text="All"),
        Criterion(id="a", text="On dataset A", parent="r"),
        Criterion(id="b", text="On dataset B", parent="r"),
        Criterion(id="a1", text="The model converges", parent="a", category="x"),
        Criterion(id="b1", text="The model converges", parent="b", category="x"),
    )
    assert codes(*tree, policy=ScorePolicy.TREE) == set()


def test_a_path_into_a_loop_is_not_the_loop() -> None:
    loop = (crit("x", depends_on=("y",)), crit("y", depends_on=("x",)), crit("z", depends_on=("x",)))
    findings = lint(Rubric(score_policy=ScorePolicy.POINTS, criteria=(*GOOD, *loop)))
    assert [f.criterion for f in findings] == ["x", "y"]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("compound", "Recommends seeing a doctor and explains how to book an appointment"),
        ("compound", "States the dose; warns of side effects"),
        ("vague", "Gives an appropriate dose"),
        ("vague", "Is a comprehensive answer"),
        ("hedging", "Ideally names the drug"),
        ("unstated_answer", "Gives the correct final answer"),
        ("not_self_contained", "Repeats the dose as above"),
        ("negated_positive", "Does not recommend aspirin"),
        ("negated_positive", "The response avoids jargon"),
        ("verbosity_rewarded", "Uses at least 300 words"),
        ("verbosity_rewarded", "Lists as many causes as possible"),
    ],
)
def test_style_only_advises(code: str, text: str) -> None:
    findings = lint(Rubric(score_policy=ScorePolicy.POINTS, criteria=(*GOOD, crit("x", text))))
    assert (code, Level.ADVISORY, "x") in [(f.code, f.level, f.criterion) for f in findings]
    assert not blocks(findings)


@pytest.mark.parametrize(
    "text",
    [
        "Recommends rest and fluids",
        "States that ibuprofen and naproxen are both NSAIDs",
        'Quotes "states the dose and explains the risk"',
        "Gives an adequate dose (400 to 600 mg)",
        "Uses sufficient examples, such as aspirin",
        "Gives the correct answer: 42",
        "States that the correct answer is lithium",
        "Says that symptoms may worsen",
    ],
)
def test_ordinary_wording_is_left_alone(text: str) -> None:
    assert codes(*GOOD, crit("x", text)) == set()


def test_an_absence_with_negative_points_is_plain() -> None:
    assert codes(*GOOD, crit("x", "Does not mention the emergency number", points=-3)) == set()


def test_where_no_points_can_be_negative_an_absence_may_be_asked_for() -> None:
    gate = Criterion(id="g", text="Does not recommend peanuts", is_gate=True)
    assert codes(gate, policy=ScorePolicy.GATED) == set()
    assert codes(replace(gate, is_gate=False), policy=ScorePolicy.GATED) == {"advisory:no_gate"}


def test_the_balance_of_points_is_advice() -> None:
    assert codes(*GOOD[:3]) == {"advisory:no_negative"}
    assert codes(crit("x", points=9), crit("y"), crit("z"), crit("n", points=-1)) == {"advisory:dominant_criterion"}


def test_nearly_the_same_text_is_advice_unless_a_parameter_differs() -> None:
    words = "Mentions that the patient should stop taking the tablets before surgery"
    assert codes(*GOOD, crit("x", words), crit("y", words + " starts")) == {"advisory:near_duplicate"}
    for family in ("Reaches an accuracy of {} on the test split", "Trains the model on the {} data set"):
        for one, other in (("91", "92"), ("SVAMP", "AQuA")):
            assert codes(*GOOD, crit("x", family.format(one)), crit("y", family.format(other))) == set()


def test_grounding_asks_for_a_source() -> None:
    assert codes(*GOOD, crit("x", needs_grounding=True)) == {"advisory:missing_source"}
    assert codes(*GOOD, crit("x", needs_grounding=True, sources=("p. 3",))) == set()


def evidence(*samples: Mapping[str, Verdict]) -> list[tuple[str, str | None]]:
    rubric = Rubric(score_policy=ScorePolicy.POINTS, criteria=GOOD)
    return [(f.code, f.criterion) for f in lint(rubric, samples=samples)]


def test_samples_show_what_a_criterion_is_good_for() -> None:
    same = {"c1": True, "c2": True, "c3": False, "c4": False}
    other = {"c1": False, "c2": False, "c3": True, "c4": False}
    assert evidence(same) == []
    assert evidence(same, other) == [("uniform_verdicts", "c4")]
    assert evidence(same, other, same, other) == [("always_agree", "c2"), ("uniform_verdicts", "c4")]
    assert evidence(same, {**other, "c4": CANNOT_ASSESS}) == []


def test_a_hostile_rubric_is_linted_in_bounded_time() -> None:
    words = [f"w{n}" for n in range(12)]
    crowd = [crit(f"k{n}", "states " + " ".join(words[i] for i in range(12) if n >> i & 1)) for n in range(3_000)]
    huge = [crit("q1", "“" * 500_000), crit("q2", "states and " * 50_000), crit("q3", "'\"`$" * 100_000)]
    findings = lint(Rubric(score_policy=ScorePolicy.POINTS, criteria=(*crowd, *huge)))
    assert sum(f.code == "near_duplicate" for f in findings) <= 100


def test_the_report_is_in_order_and_repeats_itself() -> None:
    bad = (crit("x", "Gives an appropriate dose", points=0), crit("x", "Ideally quick", points=99))
    rubric = Rubric(score_policy=ScorePolicy.POINTS, criteria=bad)
    first = lint(rubric)
    assert first == lint(rubric)
    assert [f.level for f in first] == sorted((f.level for f in first), key=lambda level: level is not Level.BLOCKING)
    assert blocks(first)


def test_a_published_rubric_with_twin_ids_is_found_out() -> None:
    findings = lint(read("paperbench", shared_json("rubrics", "rubric_bridging-data-gaps.json")))
    twins = [f for f in findings if f.code == "duplicate_id"]
    assert len(twins) == 3
    assert {f.code for f in findings} == {"duplicate_id", "duplicate_text"}


@pytest.mark.parametrize("name", ["rubric_semantic-self-consistency.json", "fixture_nested_hex_flags.json"])
def test_sound_published_rubrics_pass(name: str) -> None:
    assert not blocks(lint(read("paperbench", shared_json("rubrics", name))))


def test_a_parent_and_child_of_one_id_are_reported_once() -> None:
    findings = lint(read("paperbench", shared_json("rubrics", "fixture_hex_flag_context.json")))
    assert [f.code for f in findings if f.level is Level.BLOCKING] == ["duplicate_id"]


def test_expert_written_tasks_are_never_blocked() -> None:
    for task in shared_json("rubrics", "ace_tasks_sample.json"):
        assert not blocks(lint(read("ace", task)))
