"""The demo story in the test's own process: every amount is as computed, and a lab's own tasks can be played."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from config.demo import ace, play, report
from config.demo.stage import Stage
from tests.journeys.test_demo_parts import ACE


def own_tasks() -> list[dict[str, Any]]:
    """Three tasks that the demo has no answers for, with published criteria to compare with."""
    varied = [ACE[0] | {"task_id": str(n), "prompt": f"{ACE[0]['prompt']} This is week {n}."} for n in range(3)]
    return list(ace.tasks(varied))


@pytest.mark.slow
def test_the_story_with_a_labs_own_tasks(stage: Stage) -> None:
    stage.tasks = own_tasks()
    play.whole(stage)
    assert [check for check in stage.checks if not check.holds] == []
    assert len(stage.checks) > 100
    assert {currency for _expert, currency in stage.books.experts()} == {"USD", "EUR"}
    assert len(stage.notes["compared_with_reference"]) == 3
    document = report.document(stage)
    assert document["ok"]
    assert len({row["rate"] for row in document["hours"]}) >= 3
    assert "checks hold." in report.table(stage)
    assert play.was_played(stage)
    out = StringIO()
    call_command("ledger_verify", stdout=out)
    assert "The ledger holds." in out.getvalue()


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"type": ', "line 2: .*JSON"),
        ('{"type": "poem", "payload": {}}', 'line 2: a task has a "type"'),
        ('["rubric_authoring"]', 'line 2: a task has a "type"'),
        ('{"type": "rubric_authoring", "payload": {"promt": "?"}}', "line 2: /payload: .*prompt"),
    ],
)
def test_a_file_that_holds_no_tasks_is_refused_with_its_line(tmp_path: Any, line: str, complaint: str) -> None:
    source = tmp_path / "tasks.ndjson"
    source.write_text(f'{{"type": "rubric_authoring", "payload": {{"prompt": "Explain."}}}}\n{line}\n')
    with pytest.raises(CommandError, match=complaint):
        call_command("demo_story", base_url="http://127.0.0.1:9", credentials=tmp_path / "none", input=source)
