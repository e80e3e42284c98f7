"""Act 7: the labs take their data home, and check it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from config.demo import drafting, material
from config.demo.api import Json
from config.demo.cast import NORTHWIND
from config.demo.stage import Stage


def deliver(stage: Stage) -> None:
    """Export the authoring batch natively and as HealthBench; check hash, count and every score."""
    native = _download(stage, "native")
    _check_scores(stage, native)
    authored = [line for line in native if line["task"]["type"] == "rubric_authoring"]
    lines = _download(stage, "healthbench")
    stage.check("rubrics in the HealthBench file", len(authored), len(lines))
    for line in lines:
        points = [item["points"] for item in line["rubrics"]]
        stage.check(f"HealthBench rubric of {line['prompt_id']} has positive points", True, max(points) > 0)
    _compare_with_reference(stage, authored)
    stage.step(f"{NORTHWIND.name} downloaded {len(native)} finished items, and {len(lines)} of them as HealthBench")


def score(stage: Stage) -> None:
    """HealthBench's own example: (7 + 10 - 6) of 22 points is one half."""
    response = material.RESPONSES[0]
    grades = [
        {"criterion": criterion.key, "verdict": verdict}
        for criterion, verdict in zip(material.TRIAGE, response.verdicts, strict=True)
    ]
    answer = stage.lab(NORTHWIND).post(f"/rubrics/{stage.ids['rubric triage']}/score", {"grades": grades})
    stage.check("score of HealthBench's example", 0.5, answer["score"])


def points_score(criteria: Sequence[Mapping[str, Any]], verdicts: Mapping[str, Any]) -> float:
    """Points met of positive points, not clipped."""
    met = sum(Fraction(row["points"]) for row in criteria if verdicts[row["id"]] is True)
    positive = sum(Fraction(row["points"]) for row in criteria if row["points"] > 0)
    return float(Fraction(met) / positive)


def _download(stage: Stage, file_format: str) -> list[Json]:
    api = stage.lab(NORTHWIND)
    project = stage.ids[f"project {NORTHWIND.name}"]
    done = api.operation(api.post(f"/projects/{project}/deliveries", {"format": file_format}))
    delivery = api.get(f"/deliveries/{done['results'][0]['id']}")
    content = api.download(f"/deliveries/{delivery['id']}/download").body
    stage.check(f"SHA-256 of the {file_format} file", delivery["sha256"], hashlib.sha256(content).hexdigest())
    lines = [json.loads(line) for line in content.splitlines()]
    stage.check(f"items in the {file_format} file", delivery["items"], len(lines))
    return lines


def _check_scores(stage: Stage, native: Sequence[Json]) -> None:
    """Every score in the file is what its grades and points give."""
    for line in native:
        criteria = line["rubric"]["criteria"]
        for part in [line["submission"], *line["other_submissions"]]:
            by_sample: dict[str, dict[str, Any]] = {}
            for grade in part["body"].get("grades", part["body"].get("self_check", [])):
                by_sample.setdefault(grade.get("sample", ""), {})[grade["criterion"]] = grade["verdict"]
            for sample, told in part["scores"].items():
                expected = points_score(criteria, by_sample[sample])
                stage.check(f"score of {line['task']['external_id']} {sample}", round(expected, 12), round(told, 12))


def _compare_with_reference(stage: Stage, authored: Sequence[Json]) -> None:
    """For a lab's own tasks with published criteria: how many of them the expert's rubric touches."""
    compared = []
    for line in authored:
        reference = line["task"]["reference"]
        if reference:
            ours = [row["text"] for row in line["rubric"]["criteria"]]
            met, total = drafting.coverage(ours, [row["text"] for row in reference["criteria"]])
            compared.append(
                {"task": line["task"]["external_id"], "written": len(ours), "published": total, "touched": met}
            )
    if compared:
        stage.notes["compared_with_reference"] = compared
        touched, total = sum(row["touched"] for row in compared), sum(row["published"] for row in compared)
        stage.step(
            f"Compared with the published criteria: {touched} of {total} are touched by the rubrics written here"
        )
