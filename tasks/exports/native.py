"""Native JSON lines: everything the lab may know about an item, without loss."""

from __future__ import annotations

from typing import Any, Final

from tasks.dialects import native
from tasks.exports.item import Item, Part

FORMAT: Final = "cadre.native"
VERSION: Final = 1


def write(item: Item) -> dict[str, Any]:
    """The document of one line."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "task": {
            "id": item.id,
            "external_id": item.external_id or None,
            "batch": item.batch,
            "type": item.type,
            "schema_version": item.schema_version,
            "payload": item.payload,
            "files": list(item.files),
            "reference": item.reference,
        },
        "submission": _part(item.final),
        "other_submissions": [_part(part) for part in item.others],
        "rubric": _rubric(item),
        "decisions": list(item.decisions),
        "adjudication": item.adjudication,
        "rater_agreement": item.rater_agreement,
        "finished_at": item.finished_at,
    }


def _part(part: Part) -> dict[str, Any]:
    return {
        "id": part.id,
        "rater": part.rater,
        "role": part.role,
        "revision": part.revision,
        "submitted_at": part.submitted_at,
        "body": part.body,
        "scores": dict(part.scores),
    }


def _rubric(item: Item) -> dict[str, Any] | None:
    if item.rubric is None:
        return None
    return {"id": item.rubric_id, "version": item.rubric_version, **native.write(item.rubric)}
