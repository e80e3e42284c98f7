"""Tables of the floor ``tasks``."""

from __future__ import annotations

from tasks.models.batch import Batch
from tasks.models.claim import Claim, Draft, QueueTicket, TaskReport
from tasks.models.delivery import Delivery
from tasks.models.review import Adjudication, Review
from tasks.models.rubric import CriterionGrade, Rubric, RubricCriterion
from tasks.models.stored_file import StoredFile, TaskFile
from tasks.models.submission import Submission
from tasks.models.task import Task

__all__ = [
    "Adjudication",
    "Batch",
    "Claim",
    "CriterionGrade",
    "Delivery",
    "Draft",
    "QueueTicket",
    "Review",
    "Rubric",
    "RubricCriterion",
    "StoredFile",
    "Submission",
    "Task",
    "TaskFile",
    "TaskReport",
]
