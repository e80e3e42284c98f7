"""The floor ``experts`` as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class ExpertsConfig(AppConfig):
    """See the package's docstring."""

    name = "experts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Answer the kernel's question."""
        from core import ports
        from experts import subscribers  # noqa: F401  # importing it subscribes
        from experts.subjects import ExpertSubjects

        ports.subjects.register(ExpertSubjects())
