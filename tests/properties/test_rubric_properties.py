"""Laws of rubrics that hold for every document and every set of grades."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tasks.dialects import DIALECTS, MalformedRubric, read, write
from tasks.rubric_content import CANNOT_ASSESS, Criterion, Importance, Kind, Rubric, ScorePolicy
from tasks.rubric_lint import lint
from tasks.rubric_scoring import Grade, Verdict, data_set_mean, score

words = st.text(min_size=1, max_size=20)
texts = st.lists(words, max_size=3)
numbers = st.integers(-10, 10) | st.floats(-10, 10, allow_nan=False)
weights = st.integers(0, 10) | st.floats(0, 10, allow_nan=False)
plain = st.none() | st.booleans() | st.integers(-5, 5) | words
further = st.dictionaries(words.map(lambda key: f"x_{key}"), plain, max_size=2)


def objects(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    fixed = st.fixed_dictionaries(required, optional=optional)
    return st.tuples(further, fixed).map(lambda pair: {**pair[0], **pair[1]})


healthbench_items = st.lists(objects({"criterion": words, "points": numbers, "tags": texts}, {}), max_size=4)
healthbench = healthbench_items | objects({"rubrics": healthbench_items}, {"prompt_id": words})

apex_entries = objects(
    {"description": words},
    {
        "weight": st.sampled_from(["Primary objective(s)", "Secondary objective(s)", "Other", ""]),
        "sources": st.none() | st.text(max_size=5) | texts,
        "criterion_type": st.none() | texts,
        "dependent_criteria": texts,
    },
)
apex = st.dictionaries(words, apex_entries, max_size=4) | st.lists(
    st.tuples(words, apex_entries).map(lambda pair: {pair[0]: pair[1]}), max_size=4
)

ace_rows = objects(
    {"criterion_id": words | st.integers(0, 999), "text": words},
    {"type": words | st.none(), "hurdle": st.booleans(), "grounded": st.booleans()},
)
ace_cases = objects(
    {"criterion_id": words | st.integers(0, 999), "description": words},
    {
        "id": st.integers(1, 9),
        "type": words,
        "hurdle_tag": st.sampled_from(["Hurdle", "Not", "?"]),
        "grounded_status": st.sampled_from(["Grounded", "Not Grounded", ""]),
    },
)
ace_items = st.lists(ace_rows | ace_cases, max_size=4)
ace = ace_items | objects({"criteria": ace_items}, {"task_id": st.integers(0, 9)})

verifiers_items = st.lists(
    objects(
        {"name": words, "text": words},
        {"weight": weights, "choices": st.lists(words, min_size=2, max_size=4)},
    ),
    max_size=4,
)
verifiers = verifiers_items | objects({"criteria": verifiers_items}, {"title": words})


def _numbered(node: dict[str, Any]) -> dict[str, Any]:
    # Ids in order of appearance, so that none occurs twice.
    waiting, count = [node], 0
    while waiting:
        current = waiting.pop()
        current["id"] = f"n{count}"
        count += 1
        waiting.extend(current["sub_tasks"])
    return node


def _nodes(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return objects(
        {"id": words, "requirements": words, "weight": weights, "sub_tasks": children},
        {"task_category": st.none() | words, "finegrained_task_category": words},
    )


paperbench = st.recursive(
    _nodes(st.builds(list)), lambda inner: _nodes(st.lists(inner, max_size=3)), max_leaves=12
).map(_numbered)

criteria = st.builds(
    Criterion,
    id=words,
    text=st.text(max_size=60),
    points=st.none() | numbers,
    kind=st.sampled_from(Kind),
    choices=texts.map(tuple),
    max_occurrences=st.none() | st.integers(1, 9),
    importance=st.none() | st.sampled_from(Importance),
    parent=st.none() | words,
    weight=st.none() | weights,
    category=st.none() | words,
    is_gate=st.booleans(),
    needs_grounding=st.booleans(),
    depends_on=texts.map(tuple),
    tags=texts.map(tuple),
    sources=texts.map(tuple),
    justification=st.text(max_size=10),
    examples_met=texts.map(tuple),
    examples_not_met=texts.map(tuple),
    extra=further,
)
rubrics = st.builds(
    Rubric,
    score_policy=st.sampled_from(ScorePolicy),
    criteria=st.lists(criteria, max_size=5).map(tuple),
    extra=further,
)


@given(
    case=healthbench.map(lambda d: ("healthbench", d))
    | apex.map(lambda d: ("apex", d))
    | ace.map(lambda d: ("ace", d))
    | verifiers.map(lambda d: ("verifiers", d))
    | paperbench.map(lambda d: ("paperbench", d))
)
def test_every_document_survives_its_dialect_and_ours(case: tuple[str, Any]) -> None:
    dialect, document = case
    rubric = read(dialect, document)
    assert write(dialect, rubric) == document
    assert write(dialect, read("native", write("native", rubric))) == document


@given(rubric=rubrics)
def test_our_own_form_says_everything(rubric: Rubric) -> None:
    assert read("native", write("native", rubric)) == rubric


json_values = st.recursive(
    plain | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=10,
)


@given(dialect=st.sampled_from(DIALECTS), document=json_values)
def test_any_json_is_read_or_refused_with_pointers(dialect: str, document: Any) -> None:
    rubric, pointers = _read_or_refuse(dialect, document)
    assert all(pointer == "" or pointer.startswith("/") for pointer in pointers)
    assert (rubric is None) == bool(pointers)
    if rubric is not None:
        lint(rubric)


def _read_or_refuse(dialect: str, document: Any) -> tuple[Rubric | None, list[str]]:
    try:
        return read(dialect, document), []
    except MalformedRubric as refusal:
        return None, [problem.pointer for problem in refusal.problems]


@given(rubric=rubrics)
def test_the_linter_takes_any_rubric_and_repeats_itself(rubric: Rubric) -> None:
    findings = lint(rubric)
    assert findings == lint(rubric)
    ids = {c.id for c in rubric.criteria}
    assert all(f.criterion is None or f.criterion in ids for f in findings)


pointed = st.lists(
    st.tuples(st.integers(-10, 10).filter(bool), st.sampled_from([True, False, CANNOT_ASSESS])), min_size=1, max_size=12
)


@given(rows=pointed, chance=st.randoms(use_true_random=False))
def test_points_lie_in_bounds_and_do_not_depend_on_order(rows: list[tuple[int, Verdict]], chance: Any) -> None:
    made = tuple(Criterion(id=str(i), text=str(i), points=points) for i, (points, _) in enumerate(rows))
    grades = [Grade(str(i), verdict) for i, (_, verdict) in enumerate(rows)]
    result = score(Rubric(score_policy=ScorePolicy.POINTS, criteria=made), grades)
    assessed = [points for points, verdict in rows if verdict != CANNOT_ASSESS]
    positive = sum(p for p in assessed if p > 0)
    if not positive:
        assert result.score is None
        return
    assert result.score is not None
    assert sum(p for p in assessed if p < 0) / positive - 1e-9 <= result.score <= 1
    chance.shuffle(grades)
    shuffled = tuple(sorted(made, key=lambda _: chance.random()))
    assert score(Rubric(score_policy=ScorePolicy.POINTS, criteria=shuffled), grades).score == result.score


@given(scores=st.lists(st.none() | st.floats(-5, 1)))
def test_a_data_set_mean_is_a_share(scores: list[float | None]) -> None:
    mean = data_set_mean(scores)
    assert mean is None or 0 <= mean <= 1


@given(document=paperbench, chance=st.randoms(use_true_random=False))
def test_a_tree_scores_between_its_leaves(document: dict[str, Any], chance: Any) -> None:
    rubric = read("paperbench", document)
    verdicts = {c.id: chance.random() < 0.5 for c in rubric.graded()}
    result = score(rubric, [Grade(key, verdict) for key, verdict in verdicts.items()])
    assert result.score is not None
    assert 0 <= result.score <= max(verdicts.values())
    everything = score(rubric, [Grade(key, True) for key in verdicts])
    assert everything.score is not None
    assert result.score <= everything.score
