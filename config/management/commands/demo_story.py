"""``manage.py demo_story``: play the story against a running instance; exit 1 when an amount is not as computed."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any, cast

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.demo import play, report
from config.demo.acts.paying import CURRENCIES
from config.demo.api import NotDone, TooSlow, Unexpected
from config.demo.credentials import Credentials
from config.demo.desk import Refused
from config.demo.forms import NoSuchForm
from config.demo.stage import Stage
from config.demo.transport import HttpTransport
from core.api import wire
from core.problems import MalformedBody
from tasks import task_types


class Command(BaseCommand):
    """Talks to the instance over HTTP only, like any client; the ledger's own proof is read with the database."""

    help = "Play the demo story over HTTP and the operators' forms, and check every amount."

    def add_arguments(self, parser: CommandParser) -> None:
        """Where the instance is, who may log in, and whose tasks to play."""
        parser.add_argument("--base-url", required=True, help="where the site answers")
        parser.add_argument("--credentials", type=Path, required=True, help="the file that the seed wrote")
        parser.add_argument("--input", type=Path, help="a lab's own tasks: NDJSON as the API takes them")
        parser.add_argument("--json", action="store_true", help="print one JSON document instead of the table")

    def handle(self, *args: Any, **options: Any) -> None:
        """Progress goes to standard error when standard output is for JSON."""
        progress = self.stderr if options["json"] else self.stdout
        stage = Stage(
            connect=partial(HttpTransport, options["base_url"].rstrip("/")),
            credentials=Credentials.read(options["credentials"]),
            say=lambda text: progress.write(text, ending="\n"),
            tasks=_tasks(options["input"]),
        )
        if play.was_played(stage):
            raise CommandError("The story was played on this instance before. `make demo` plays it in a private one.")
        try:
            play.whole(stage)
            call_command("ledger_verify", stdout=self.stderr)
            _calculate_again(stage)
        except (Unexpected, NotDone, TooSlow, Refused, NoSuchForm) as error:
            raise CommandError(f"After “{stage.steps[-1] if stage.steps else 'the start'}”: {error}") from error
        if options["json"]:
            self.stdout.write(json.dumps(report.document(stage), indent=2, ensure_ascii=False))
        else:
            self.stdout.write(report.table(stage))
        if not all(check.holds for check in stage.checks):
            sys.exit(1)


def _calculate_again(stage: Stage) -> None:
    """Every pay run from the journal once more, to the byte. Raises CommandError naming what differs."""
    runs = stage.notes.get("pay_runs", [])
    for run in runs:
        call_command("recompute_pay_run", run, quiet=True)
    stage.check("pay runs that were calculated again", len(CURRENCIES), len(runs))
    stage.step(f"The ledger was verified, and {len(runs)} pay runs calculated again: the same, to the byte")


def _tasks(path: Path | None) -> list[dict[str, Any]] | None:
    """The lab's own tasks, one per line. Raises CommandError naming the line."""
    if path is None:
        return None
    lines = enumerate(path.read_bytes().splitlines(), start=1)
    found = [_task(line, at=f"{path}, line {number}") for number, line in lines if line.strip()]
    if not found:
        raise CommandError(f"{path} holds no task.")
    return found


def _task(line: bytes, *, at: str) -> dict[str, Any]:
    """One task whose payload keeps to its schema: the API would say the same, half a minute into the story."""
    try:
        task = wire.loads(line)
    except MalformedBody as error:
        raise CommandError(f"{at}: {error.detail}") from error
    code, payload = (task.get("type"), task.get("payload")) if isinstance(task, dict) else (None, None)
    if code not in task_types.REGISTRY or not isinstance(payload, dict):
        raise CommandError(f'{at}: a task has a "type" ({", ".join(sorted(task_types.REGISTRY))}) and a "payload".')
    kind = task_types.get(code)
    if errors := kind.payload_schema(kind.version).errors(payload):
        raise CommandError(f"{at}: /payload{errors[0].pointer}: {errors[0].detail}")
    return cast(dict[str, Any], task)
