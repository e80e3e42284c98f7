"""Two blind graders: equal is consensus, anything else is a conflict that names its criteria."""

from __future__ import annotations

from tasks.consensus import Outcome, compare
from tasks.rubric_content import CANNOT_ASSESS


def test_equal_verdicts_are_consensus() -> None:
    result = compare({"a": True, "b": CANNOT_ASSESS}, {"b": CANNOT_ASSESS, "a": True})
    assert (result.outcome, result.conflicts) == (Outcome.CONSENSUS, ())


def test_each_differing_criterion_is_named_in_order() -> None:
    result = compare({"b": True, "a": 2, "c": True}, {"b": False, "a": 2, "c": CANNOT_ASSESS})
    assert (result.outcome, result.conflicts) == (Outcome.CONFLICT, ("b", "c"))


def test_a_verdict_only_one_of_them_gave_is_a_conflict() -> None:
    assert compare({"a": True}, {"a": True, "b": False}).conflicts == ("b",)
