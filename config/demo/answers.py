"""What an expert hands in for a claim: by its kind, its role, and who he is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from config.demo import drafting, material
from config.demo.api import Json
from config.demo.cast import ExpertRole

_TEXTS = {response.text: response for response in material.RESPONSES}


def submission(role: ExpertRole, claim: Any) -> Json:
    """The work for a claim as ``GET /expert/claims/{id}`` shows it."""
    if claim["type"] == "rubric_grading":
        return _grading(role, claim)
    if claim["role"] == "second":
        return _trial(claim)
    return _rubric(claim)


def _rubric(claim: Any) -> Json:
    payload = claim["payload"]
    known = material.ASSIGNMENTS.get(payload["prompt"]) if isinstance(payload["prompt"], str) else None
    if known is not None:
        return known.answer(revised=bool(claim["rework"]))
    body = drafting.rubric(payload["prompt"], [sample["id"] for sample in payload.get("sample_responses", [])])
    if claim["rework"]:
        added = material.ADDED.as_json()
        body["criteria"].append(added)
        for sample in payload.get("sample_responses", []):
            body["self_check"].append({"sample": sample["id"], "criterion": added["id"], "verdict": False})
    return body


def _trial(claim: Any) -> Json:
    """The second expert tries the author's rubric on each sample, without his grades."""
    payload = claim["payload"]
    known = material.ASSIGNMENTS.get(payload["prompt"]) if isinstance(payload["prompt"], str) else None
    grades = known.answer(revised=True)["self_check"] if known else []
    verdicts = {(grade["sample"], grade["criterion"]): grade["verdict"] for grade in grades}
    criteria = claim["rubric"]["criteria"]
    return {
        "grades": [
            {
                "sample": sample["id"],
                "criterion": criterion["id"],
                "verdict": verdicts.get((sample["id"], criterion["id"]), criterion["points"] > 0),
            }
            for sample in payload["sample_responses"]
            for criterion in criteria
        ]
    }


def _grading(role: ExpertRole, claim: Any) -> Json:
    response = _TEXTS.get(claim["payload"]["response"]["text"])
    criteria = claim["rubric"]["criteria"]
    given: Sequence[bool] = [criterion["points"] > 0 for criterion in criteria]
    if response is not None:
        decides = claim["role"] == "adjudication"
        given = response.verdicts if decides else response.opinions.get(role.email, response.verdicts)
    grades = [
        {"criterion": criterion["id"], "verdict": verdict} for criterion, verdict in zip(criteria, given, strict=True)
    ]
    return {"grades": grades, "ai_assistance": {"used": False}}
