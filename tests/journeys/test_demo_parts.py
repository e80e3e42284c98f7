"""The demo's small parts: files that are real, forms read as a browser does, published tasks turned into ours."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from config.demo import ace, documents, drafting, forms, material
from core import uploads
from tasks import rubric_lint, task_types
from tasks.dialects import native

ACE: list[dict[str, Any]] = [
    {
        "domain": "Food",
        "task_id": "161",
        "workflow": "Meal Plan",
        "prompt": "Plan three dinners for a family of four. One child must not eat nuts. Please give me a shopping list.",
        "criteria": [
            {"criterion_id": "7", "text": "Gives three dinners", "type": "x", "hurdle": True, "grounded": False},
            {"criterion_id": "8", "text": "Gives a shopping list", "type": "x", "hurdle": False, "grounded": True},
        ],
    }
]


def test_the_pdf_is_one_and_whole() -> None:
    content = documents.pdf(title="Doctor (honours)", lines=["A line.", "x " * 200])
    found = uploads.inspect(io.BytesIO(content), name="a.pdf", allowed_types={uploads.PDF}, max_bytes=uploads.MEGABYTE)
    assert found.media_type == uploads.PDF
    table = int(content.rsplit(b"startxref\n", 1)[1].split()[0])
    assert content[table:].startswith(b"xref\n0 6\n")
    places = [int(line.split()[0]) for line in content[table:].splitlines()[3:8]]
    assert [content[place:].split(b" ", 1)[0] for place in places] == [b"1", b"2", b"3", b"4", b"5"]


def test_the_png_is_one_and_whole() -> None:
    image = Image.open(io.BytesIO(documents.png(width=20, height=10, colour=(1, 2, 3))))
    image.load()
    assert image.size == (20, 10)
    assert image.getpixel((5, 5)) == (1, 2, 3)
    assert image.getpixel((0, 0)) == (255, 255, 255)


def test_forms_are_read_with_hidden_fields_choices_and_ticked_boxes() -> None:
    page = forms.read(
        '<form action="/go" method="post"><input type="hidden" name="token" value="t"><input type="submit" name="no">'
        '<input type="checkbox" name="kept" value="1" checked><input type="checkbox" name="left" value="1">'
        '<select name="action"><option value="">-</option><option value="verify" selected>V</option></select></form>'
        '<input type="checkbox" name="_selected_action" value="42"><script>secret()</script><p>Two  words</p>'
    )
    form = page.form_with("token")
    assert (form.action, form.method) == ("/go", "post")
    assert form.fields == {"token": "t", "kept": "1", "action": "verify"}
    assert form.choices == {"action": ["", "verify"]}
    assert page.rows == ["42"]
    assert page.text == "- V Two words"
    with pytest.raises(forms.NoSuchForm, match="absent"):
        page.form_with("absent")


def test_published_tasks_become_tasks_as_the_api_takes_them(tmp_path: Path) -> None:
    source = tmp_path / "ace.json"
    source.write_text(json.dumps(ACE))
    command = [sys.executable, "-m", "config.demo.ace", str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (task,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert task["external_id"] == "ace-food-161"
    assert task["payload"]["prompt"] == ACE[0]["prompt"]
    assert [row["text"] for row in task["reference"]["criteria"]] == ["Gives three dinners", "Gives a shopping list"]
    kind = task_types.get(task["type"])
    assert kind.payload_schema(kind.version).errors(task["payload"]) == []


def test_the_converter_says_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert ace.main([]) == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    "prompt", [ACE[0]["prompt"], "Short.", [{"role": "user", "content": "Explain covenants to me."}]]
)
def test_a_rubric_for_an_unknown_prompt_passes_the_linter(prompt: Any) -> None:
    body = drafting.rubric(prompt, ["a"])
    rubric = native.read({"score_policy": "points", "criteria": body["criteria"]})
    assert [finding for finding in rubric_lint.lint(rubric) if finding.level is rubric_lint.Level.BLOCKING] == []
    assert len(body["self_check"]) == len(body["criteria"])


def test_coverage_counts_published_criteria_that_are_touched() -> None:
    ours = ["Deals with this part of the request: “Please give me a shopping list.”"]
    assert drafting.coverage(ours, ["Gives a shopping list", "Mentions the oven temperature"]) == (1, 2)


@pytest.mark.parametrize("assignment", material.ASSIGNMENTS.values(), ids=lambda row: row.name)
@pytest.mark.parametrize("revised", [False, True])
def test_the_written_rubrics_pass_the_linter_and_grade_every_sample(
    assignment: material.Assignment, revised: bool
) -> None:
    answer = assignment.answer(revised=revised)
    rubric = native.read({"score_policy": "points", "criteria": answer["criteria"]})
    assert [finding for finding in rubric_lint.lint(rubric) if finding.level is rubric_lint.Level.BLOCKING] == []
    assert len(answer["self_check"]) == len(answer["criteria"]) * len(assignment.samples)
