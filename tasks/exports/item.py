"""One finished task as plain values: what every export format is written from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.rubric_content import Rubric


class LeftOut(Exception):
    """The format has no words for this item; ``reason`` is counted in the manifest."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Part:
    """One person's handed-in work; ``rater`` is his pseudonym within the project."""

    id: str
    rater: str
    role: str
    revision: int
    submitted_at: dt.datetime
    body: Mapping[str, Any]
    scores: Mapping[str, float | None] = field(default_factory=dict)
    """HealthBench-like scores by the rubric in force, by sample; under an empty name where there is one response."""


@dataclass(frozen=True, slots=True)
class Item:
    """A finished task with its final work, the other people's parts, and what was decided."""

    id: str
    external_id: str
    batch: str
    type: str
    schema_version: int
    payload: Mapping[str, Any]
    files: Sequence[Mapping[str, Any]]
    rubric: Rubric | None
    rubric_id: str
    rubric_version: int | None
    final: Part
    others: Sequence[Part]
    decisions: Sequence[Mapping[str, Any]]
    adjudication: Mapping[str, Any] | None
    rater_agreement: Mapping[str, Any] | None
    reference: Mapping[str, Any] | None
    finished_at: dt.datetime
