"""HealthBench JSON lines, as openai/simple-evals reads them: one prompt with its rubric per line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.dialects import NotExpressible, healthbench
from tasks.exports.item import Item, LeftOut


def write(item: Item) -> dict[str, Any]:
    """The document of one line. Raises LeftOut for what is not a rubric that scores by points."""
    if item.type != "rubric_authoring" or item.rubric is None:
        raise LeftOut("not_a_rubric")
    try:
        rubrics = healthbench.write(item.rubric)
    except NotExpressible:
        raise LeftOut("not_expressible") from None
    ideal = item.final.body.get("ideal_response")
    return {
        "prompt_id": item.external_id or item.id,
        "prompt": _messages(item.payload),
        "rubrics": rubrics["rubrics"] if isinstance(rubrics, dict) else rubrics,
        "example_tags": [f"domain:{item.payload['domain']}"] if "domain" in item.payload else [],
        "ideal_completions_data": {
            "ideal_completion": ideal,
            "ideal_completions_group": None,
            "ideal_completions_ref_completions": [
                sample["text"] for sample in item.payload.get("sample_responses", [])
            ],
        }
        if ideal
        else None,
    }


def _messages(payload: Mapping[str, Any]) -> list[dict[str, str]]:
    prompt = payload["prompt"]
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
