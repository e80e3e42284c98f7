"""Compile the catalogs of the papers' words."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from payments.papers import catalog


class Command(BaseCommand):
    """``manage.py paper_catalogs`` after a change of ``payments/locale/*/LC_MESSAGES/django.po``."""

    help = "Compile payments/locale/*/LC_MESSAGES/django.po; both files are kept in the repository."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the compiled files and say which texts a catalog lacks."""
        wanted = set(catalog.texts())
        for path, words in catalog.catalogs():
            path.write_bytes(catalog.compiled(words))
            missing = sorted(text for text in wanted if not (words.get(text) and words[text].string))
            self.stdout.write(f"{words.locale}: {len(words)} texts, {len(missing)} missing")
            for text in missing:
                self.stdout.write(f"  {text}")
