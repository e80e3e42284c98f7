"""Turn published ACE tasks into a lab's own: ``python -m config.demo.ace SRC > tasks.ndjson``.

SRC is a JSON list of ``{"task_id", "domain", "prompt", "criteria": [{"criterion_id", "text", "hurdle", …}]}``, as in
Mercor's apex-evals (data under CC-BY-4.0). Each prompt becomes a ``rubric_authoring`` task; the published criteria
travel as its reference, which no expert sees, to compare his rubric with.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

GATE_POINTS = 5
POINTS = 2


def tasks(source: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The tasks as ``POST /batches/{id}/tasks`` takes them, one per ACE task."""
    for item in source:
        yield {
            "type": "rubric_authoring",
            "external_id": f"ace-{item['domain'].lower().replace(' ', '-')}-{item['task_id']}",
            "payload": {
                "prompt": item["prompt"],
                "limits": {"min_criteria": 3, "max_criteria": 40},
                "provenance": {"source": "apex-evals ace", "domain": item["domain"], "workflow": item["workflow"]},
            },
            "reference": {"criteria": [_criterion(criterion) for criterion in item["criteria"]]},
        }


def _criterion(criterion: dict[str, Any]) -> dict[str, Any]:
    """A published criterion in the native form; a hurdle is a gate and weighs more."""
    return {
        "id": criterion["criterion_id"],
        "text": criterion["text"],
        "points": GATE_POINTS if criterion["hurdle"] else POINTS,
        "is_gate": criterion["hurdle"],
        "needs_grounding": criterion["grounded"],
    }


def main(arguments: list[str]) -> int:
    """Write one task per line to standard output; the exit code."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m config.demo.ace SRC > tasks.ndjson\n")
        return 2
    source = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    for task in tasks(source):
        sys.stdout.write(json.dumps(task, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
