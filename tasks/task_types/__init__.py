"""The types of tasks. A further type is one module with its schemas, and a line here."""

from __future__ import annotations

from typing import Final

from tasks.task_types.base import GivenGrade, TaskType, Work
from tasks.task_types.rubric_authoring import RubricAuthoring
from tasks.task_types.rubric_grading import RubricGrading

REGISTRY: Final[dict[str, TaskType]] = {each.code: each for each in (RubricAuthoring(), RubricGrading())}

__all__ = ["REGISTRY", "GivenGrade", "TaskType", "Work", "get", "known"]


def get(code: str) -> TaskType:
    """The type called ``code``. Raises KeyError for one this release does not know."""
    return REGISTRY[code]


def known() -> frozenset[str]:
    """The codes of all types; this module answers marketplace.ports.TaskTypes."""
    return frozenset(REGISTRY)
