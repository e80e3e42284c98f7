"""The real application with little time for each job: ``SOFT`` seconds until it is told (if it is), ``HARD`` until it is killed."""

from __future__ import annotations

import os
from typing import Any

from celery.worker.request import Request

from config.celery import app

__all__ = ["Hurried", "app"]


class Hurried(Request):
    """A job in the worker's own time: Celery's senders write theirs on each message once they have bound its task."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.time_limits = (None, None)


if "HARD" in os.environ:
    told = os.environ.get("SOFT")
    app.conf.update(task_soft_time_limit=int(told) if told else None, task_time_limit=int(os.environ["HARD"]))
    app.Task.Request = f"{__name__}:{Hurried.__name__}"
