"""``manage.py demo_story``: play the story against a running instance; exit 1 when an amount is not as computed."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.demo import play, report
from config.demo.api import NotDone, TooSlow, Unexpected
from config.demo.credentials import Credentials
from config.demo.desk import Refused
from config.demo.stage import Stage
from config.demo.transport import HttpTransport
from core.api import wire


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
        except (Unexpected, NotDone, TooSlow, Refused) as error:
            raise CommandError(f"After “{stage.steps[-1] if stage.steps else 'the start'}”: {error}") from error
        if options["json"]:
            self.stdout.write(json.dumps(report.document(stage), indent=2, ensure_ascii=False))
        else:
            self.stdout.write(report.table(stage))
        if not all(check.holds for check in stage.checks):
            sys.exit(1)


def _tasks(path: Path | None) -> list[dict[str, Any]] | None:
    """The lab's own tasks, one per line. Raises CommandError naming the line."""
    if path is None:
        return None
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip():
            try:
                found.append(wire.loads(line.encode()))
            except Exception as error:
                raise CommandError(f"{path}, line {number}: {error}") from error
    if not found:
        raise CommandError(f"{path} holds no task.")
    return found
