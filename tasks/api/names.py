"""Types and filters that several resources of this floor share."""

from __future__ import annotations

from typing import Annotated

from core.api.types import Doc, Example, IdOf

BatchId = Annotated[str, IdOf("bat")]
TaskId = Annotated[str, IdOf("tsk")]
ClaimId = Annotated[str, IdOf("clm")]
SubmissionId = Annotated[str, IdOf("sub")]
RubricId = Annotated[str, IdOf("rub")]
FileId = Annotated[str, IdOf("fil")]
DeliveryId = Annotated[str, IdOf("dlv")]
ProjectId = Annotated[str, IdOf("prj")]
RaterId = Annotated[str, IdOf("pex"), Doc("The pseudonym under which you know this expert.")]
TypeCode = Annotated[str, Doc("A code of GET /task-types."), Example("rubric_authoring")]
BatchStatus = Annotated[str, Doc("staging, in_progress, paused, completed or cancelled."), Example("in_progress")]
TaskStatus = Annotated[
    str,
    Doc(
        "pending, available, in_work, consensus, conflict, adjudicated, in_review, completed, in_rework, rejected or"
        " cancelled."
    ),
    Example("in_review"),
]
ClaimStatus = Annotated[str, Doc("active, submitted, released, expired or revoked."), Example("active")]
SubmissionStatus = Annotated[
    str, Doc("submitted, accepted, rework_requested, rejected or superseded."), Example("submitted")
]
Reason = Annotated[str, Doc("Why it was sent back or rejected; empty otherwise."), Example("rubric_not_atomic")]
Sha256 = Annotated[
    str, Doc("In hexadecimal."), Example("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")
]
