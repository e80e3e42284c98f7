"""What a type of task has to say about itself. Everything here is pure: plain values in, plain values out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from core.problems import FieldError
from tasks import schemas
from tasks.rubric_content import Rubric
from tasks.rubric_scoring import Verdict
from tasks.schemas import Schema

Json = Mapping[str, Any]

HIDDEN = frozenset({"provenance"})
"""Members of a payload that no expert sees: they would tell him which model he judges."""


@dataclass(frozen=True, slots=True)
class GivenGrade:
    """One verdict in a submission; ``sample`` is empty where there is one response only."""

    criterion: str
    verdict: Verdict
    sample: str = ""
    rationale: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """What a submission answers: the task's payload, the rubric to grade by (where there is one), how machines may
    help (forbidden, disclosed, allowed), and whether the work is the second one of a pair.
    """

    payload: Json
    ai_assistance: str
    rubric: Rubric | None = None
    is_second: bool = False


class TaskType(ABC):
    """One type of task: its schemas by version, and what cannot be said in a schema."""

    code: ClassVar[str]
    title: ClassVar[Promise]
    version: ClassVar[int] = 1
    """New tasks are made in this version; older ones keep theirs."""
    seconds_wait: ClassVar[bool] = False
    """Whether the second person works on what the first one handed in, rather than beside him."""
    takes_gold: ClassVar[bool] = True
    """Whether a task can carry an expected answer to compare work with."""

    def payload_schema(self, version: int) -> Schema:
        """What a lab sends."""
        return schemas.of(f"{self.code}.payload", version)

    def submission_schema(self, version: int, *, is_second: bool = False) -> Schema:
        """What an expert hands in."""
        return schemas.of(f"{self.code}.submission", version)

    def payload_errors(self, payload: Json, *, overlap: int) -> list[FieldError]:
        """Rules beyond the schema; pointers start at the payload."""
        return []

    def shown(self, payload: Json) -> dict[str, Any]:
        """The payload as an expert may see it."""
        return {name: _without_hidden(value) for name, value in payload.items() if name not in HIDDEN}

    def file_ids(self, payload: Json) -> Sequence[str]:
        """Public ids of the files that the payload refers to."""
        files: Sequence[str] = payload.get("context_files", ())
        return files

    def rubric_id(self, payload: Json) -> str:
        """Public id of the rubric that the payload refers to, or an empty string."""
        return str(payload.get("rubric", ""))

    @abstractmethod
    def work_errors(self, work: Work, body: Json) -> list[FieldError]:
        """Rules of a submission beyond the schema; pointers start at the submission."""

    def rubric_in(self, body: Json) -> Rubric | None:
        """The rubric that a submission brings, where it brings one."""
        return None

    @abstractmethod
    def grades_in(self, body: Json, *, is_second: bool) -> list[GivenGrade]:
        """The verdicts that a submission contains."""

    def gold_errors(self, gold: Json, rubric: Rubric | None) -> list[FieldError]:
        """Rules of an expected answer beyond the schema; pointers start at it."""
        return []

    def gold_ppm(self, reference: Json, body: Json) -> int | None:
        """How far a submission agrees with the expected answer, in millionths."""
        return None


def _without_hidden(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_hidden(child) for name, child in value.items() if name not in HIDDEN}
    if isinstance(value, list):
        return [_without_hidden(child) for child in value]
    return value


def assistance_errors(work: Work, body: Json) -> list[FieldError]:
    """Where machines are forbidden none was used; where they must be disclosed, the answer says so."""
    said = body.get("ai_assistance")
    if work.ai_assistance == "forbidden" and said and said["used"]:
        return [FieldError("/ai_assistance/used", "forbidden", _("This project does not allow help by machines."))]
    if work.ai_assistance == "disclosed" and said is None:
        return [FieldError("/ai_assistance", "required", _("This project asks whether a machine helped."))]
    return []
