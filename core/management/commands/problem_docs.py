"""Write docs/errors.md from the errors' docstrings."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from core.api.problem_pages import markdown


class Command(BaseCommand):
    """`problem_docs` writes the page, `problem_docs --check` fails when it is out of date."""

    help = "Write docs/errors.md from the errors' docstrings."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One flag."""
        parser.add_argument("--check", action="store_true", help="only compare")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write, or compare."""
        path = settings.BASE_DIR / "docs" / "errors.md"
        text = markdown()
        if not options["check"]:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            self.stdout.write(f"{path.relative_to(settings.BASE_DIR)} is up to date.")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            raise CommandError("docs/errors.md is out of date: run manage.py problem_docs.")
