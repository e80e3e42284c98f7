"""The floor ``tasks`` as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class TasksConfig(AppConfig):
    """Batches, tasks, claims, submissions, rubrics, reviews, deliveries."""

    name = "tasks"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Answer the marketplace's questions, register runners of long work, listen to news."""
        from experts.ports import appeal_subjects
        from marketplace import ports
        from tasks import subscribers, task_types  # noqa: F401  # importing subscribes
        from tasks.completion import OpenWork
        from tasks.operations import bulk_creation, delivering  # noqa: F401  # importing registers their runners
        from tasks.queries import contestable_submission

        appeal_subjects.register("sub", contestable_submission)
        ports.task_types.register(task_types)
        ports.completion.register(OpenWork())
